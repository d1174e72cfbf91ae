package clouds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// address is the URL of a Block Storage API in its parts.
type address struct {
	base    url.URL // up to the version
	version string  // v3
	project string  // may be empty
}

var (
	versionForm = regexp.MustCompile(`^v\d+(\.\d+)?$`)
	// template is what Keystone puts the project in place of.
	template = regexp.MustCompile(`[$%]\((project|tenant)_id\)s`)
)

// parseAddress takes an endpoint apart; without a version it is v3.
func parseAddress(endpoint string) (address, error) {
	wrong := func(why string) (address, error) {
		return address{}, &SettingsError{Text: fmt.Sprintf("endpoint %q: %s", endpoint, why),
			Hint: "say it like https://cloud:8776/v3"}
	}
	u, err := url.Parse(strings.TrimSpace(endpoint))
	switch {
	case endpoint == "":
		return wrong("is empty")
	case err != nil:
		return wrong("is no URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return wrong("is not an http or https URL")
	case u.RawQuery != "" || u.Fragment != "":
		return wrong("has a query or a fragment")
	}
	segments := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
	a := address{base: *u, version: "v3"}
	for i := len(segments) - 1; i >= 0; i-- {
		if !versionForm.MatchString(segments[i]) {
			continue
		}
		switch below := segments[i+1:]; {
		case len(below) == 1:
			a.project = below[0]
		case len(below) > 1:
			return wrong("leads below the project")
		}
		a.version, segments = segments[i], segments[:i]
		break
	}
	a.base.Path, a.base.RawPath = "/"+strings.Join(segments, "/"), ""
	return a, nil
}

// String is the endpoint as gophercloud wants it: with a slash at the end.
func (a address) String() string {
	parts := []string{a.version}
	if a.project != "" {
		parts = append(parts, a.project)
	}
	return gophercloud.NormalizeURL(a.base.JoinPath(parts...).String())
}

// serviceTypes are the names that clouds give to the API, the best first;
// volume is version 1 where it is old.
var serviceTypes = []string{"block-storage", "volumev3", "block-store", "volume", "volumev2"}

// findEndpoint returns the override, or else what the catalogue of the token
// says for the region and interface.
func (o *Options) findEndpoint(ctx context.Context, provider *gophercloud.ProviderClient) (string, error) {
	result, ok := provider.GetAuthResult().(interface {
		ExtractServiceCatalog() (*tokens.ServiceCatalog, error)
		ExtractProject() (*tokens.Project, error)
	})
	if !ok {
		return "", errors.New("keystone's answer has neither project nor catalogue")
	}
	if o.Endpoint != "" {
		a, err := parseAddress(template.ReplaceAllString(o.Endpoint, ""))
		if err != nil {
			return "", err
		}
		// Releases before 3.67 need the project.
		if p, err := result.ExtractProject(); err == nil && p != nil && a.project == "" && hexID.MatchString(p.ID) {
			a.project = p.ID
		}
		return a.String(), nil
	}
	catalog, err := result.ExtractServiceCatalog()
	if err != nil {
		return "", fmt.Errorf("keystone's catalogue cannot be read: %w", err)
	}
	found := o.listed(catalog)
	for _, a := range found {
		if a.version == "v3" {
			return a.String(), nil
		}
	}
	for _, a := range found {
		offers, err := o.offers(ctx, provider, a)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(offers, func(v string) bool { return strings.HasPrefix(v, "v3") }) {
			a.version = "v3"
			return a.String(), nil
		}
		if a.version == "v2" && len(offers) > 0 {
			return "", &SettingsError{Text: fmt.Sprintf("the catalogue has block storage API v2 alone, and %s offers %s: this needs v3 (Mitaka or later)", &a.base, strings.Join(offers, ", ")),
				Hint: "if v3 is elsewhere, say where with --os-endpoint or OS_ENDPOINT"}
		}
	}
	return "", o.missingEndpoint(catalog)
}

// listed are the addresses that the catalogue has for the region and
// interface, the best first.
func (o *Options) listed(catalog *tokens.ServiceCatalog) []address {
	var found []address
	for _, kind := range serviceTypes {
		for _, entry := range catalog.Entries {
			if entry.Type != kind {
				continue
			}
			for _, e := range entry.Endpoints {
				if e.Interface != o.Interface || o.Region != "" && e.Region != o.Region && e.RegionID != o.Region {
					continue
				}
				if a, err := parseAddress(e.URL); err == nil {
					found = append(found, a)
				}
			}
		}
	}
	return found
}

// maxDocument bounds the version document.
const maxDocument = 1 << 20

// offers are the versions that the server at a says it has; none if it does
// not say.
func (o *Options) offers(ctx context.Context, provider *gophercloud.ProviderClient, a address) ([]string, error) {
	resp, err := provider.Request(ctx, http.MethodGet, gophercloud.NormalizeURL(a.base.String()), &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK, http.StatusMultipleChoices}, KeepResponseBody: true,
	})
	var refused gophercloud.ErrUnexpectedResponseCode
	switch {
	case errors.As(err, &refused) && refused.Actual < http.StatusInternalServerError:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("versions of block storage at %s: %w", &a.base, err)
	}
	defer resp.Body.Close()
	var document struct {
		Versions []struct {
			ID string `json:"id"`
		} `json:"versions"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(&document) != nil {
		return nil, nil
	}
	var offers []string
	for _, v := range document.Versions {
		offers = append(offers, v.ID)
	}
	return offers, nil
}

// missingEndpoint says what the catalogue has instead.
func (o *Options) missingEndpoint(catalog *tokens.ServiceCatalog) error {
	var there []string
	for _, entry := range catalog.Entries {
		if !slices.Contains(serviceTypes, entry.Type) {
			continue
		}
		for _, e := range entry.Endpoints {
			there = append(there, fmt.Sprintf("%s %s in region %s", entry.Type, e.Interface, e.Region))
		}
	}
	slices.Sort(there)
	there = slices.Compact(there)
	what := o.Interface + " interface"
	if o.Region != "" {
		what += " in region " + o.Region
	}
	text := fmt.Sprintf("the catalogue has no block storage API v3 with %s", what)
	if len(there) == 0 {
		return &SettingsError{Text: text + ", nor any other",
			Hint: "say where it is with --os-endpoint or OS_ENDPOINT, or ask for a project's token"}
	}
	return &SettingsError{Text: text + "; it has " + strings.Join(there, ", "),
		Hint: "say which with OS_REGION_NAME and OS_INTERFACE, or where with OS_ENDPOINT"}
}
