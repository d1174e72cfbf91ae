package clouds

import (
	"errors"
	"fmt"
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

// serviceTypes are the names that clouds give to the API v3, the best first;
// volume is version 1 where it is old.
var serviceTypes = []string{"block-storage", "volumev3", "block-store", "volume"}

// findEndpoint returns the override, or else what the catalogue of the token
// says for the region and interface.
func findEndpoint(provider *gophercloud.ProviderClient, l *login, override string) (string, error) {
	result, ok := provider.GetAuthResult().(interface {
		ExtractServiceCatalog() (*tokens.ServiceCatalog, error)
		ExtractProject() (*tokens.Project, error)
	})
	if !ok {
		return "", errors.New("keystone's answer has neither project nor catalogue")
	}
	if override != "" {
		a, err := parseAddress(template.ReplaceAllString(override, ""))
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
	for _, kind := range serviceTypes {
		for _, entry := range catalog.Entries {
			if entry.Type != kind {
				continue
			}
			for _, e := range entry.Endpoints {
				if e.Interface != string(l.availability) || l.region != "" && e.Region != l.region && e.RegionID != l.region {
					continue
				}
				if a, err := parseAddress(e.URL); err == nil && a.version == "v3" {
					return a.String(), nil
				}
			}
		}
	}
	return "", missingEndpoint(catalog, l)
}

// missingEndpoint says what the catalogue has instead.
func missingEndpoint(catalog *tokens.ServiceCatalog, l *login) error {
	var there []string
	for _, entry := range catalog.Entries {
		if !slices.Contains(serviceTypes, entry.Type) {
			continue
		}
		for _, e := range entry.Endpoints {
			there = append(there, fmt.Sprintf("%s in region %s", e.Interface, e.Region))
		}
	}
	slices.Sort(there)
	there = slices.Compact(there)
	what := string(l.availability) + " interface"
	if l.region != "" {
		what += " in region " + l.region
	}
	text := fmt.Sprintf("the catalogue has no block storage API v3 with %s", what)
	if len(there) == 0 {
		return &SettingsError{Text: text + ", nor any other",
			Hint: "say where it is with --os-endpoint or OS_ENDPOINT, or ask for a project's token"}
	}
	return &SettingsError{Text: text + "; it has " + strings.Join(there, ", "),
		Hint: "say which with OS_REGION_NAME and OS_INTERFACE"}
}
