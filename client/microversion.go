package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
)

// versions is what the server says it speaks, asked once.
type versions struct {
	mu sync.Mutex
	// asked: the version document was looked at; known: max is.
	asked, known bool
	// max is the highest minor version of v3; -1 when the server tells none.
	max int
	// engine: it is an engine of this project, by its name in the answer.
	engine bool
}

// errTooOld is the kind of a need that the server does not meet.
var errTooOld = errors.New("the cloud is too old")

type tooOldError struct{ need, offer int }

func (e *tooOldError) Error() string {
	return fmt.Sprintf("this needs microversion 3.%d%s, and the cloud offers up to 3.%d%s", e.need, release(e.need), e.offer, release(e.offer))
}

func (e *tooOldError) Is(target error) bool { return target == errTooOld }

// releases are the highest minor versions of Cinder's releases
// (cinder/api/openstack/rest_api_version_history.rst).
var releases = []struct {
	max  int
	name string
}{
	{0, "Mitaka"}, {15, "Newton"}, {27, "Ocata"}, {43, "Pike"}, {50, "Queens"}, {55, "Rocky"}, {59, "Stein"},
	{60, "Ussuri"}, {62, "Victoria"}, {64, "Wallaby"}, {66, "Xena"}, {68, "Yoga"}, {70, "Zed"},
}

// release names, in brackets, the release that a minor version came with.
func release(minor int) string {
	for _, r := range releases {
		if minor <= r.max {
			return " (" + r.name + ")"
		}
	}
	return ""
}

// at returns the service client in the version that k asks for: the lowest that
// does the job. A read that can do without is sent in it at once, supposed to
// be known to the server, which saves the question: a server that does not know
// it answers 406, and what it knows. Whatever needs its version, such as a
// filter that an old server would pass over, is sent in one that the server is
// known to have.
func (c *Client) at(ctx context.Context, k call) (sc *gophercloud.ServiceClient, supposed bool, err error) {
	switch {
	case k.need == 0 && k.like == 0:
		return c.in(0), false, nil
	case k.need == 0 && k.method == http.MethodGet && !c.versions.isKnown():
		return c.in(k.like), true, nil
	}
	return c.negotiated(ctx, k)
}

// negotiated returns the service client in the best version for k that the
// server is known to have.
func (c *Client) negotiated(ctx context.Context, k call) (sc *gophercloud.ServiceClient, supposed bool, err error) {
	minor, err := c.minor(ctx, k.need, k.like)
	return c.in(minor), false, err
}

// in returns the service client in a minor version; 0 is that of a request
// without one.
func (c *Client) in(minor int) *gophercloud.ServiceClient {
	sc := c.sc // the provider behind it is shared, its version is not
	sc.Microversion = ""
	if minor > 0 {
		sc.Microversion = "3." + strconv.Itoa(minor)
	}
	return &sc
}

func (v *versions) isKnown() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.known
}

// notAcceptable reports whether a server refused the version of a request.
func notAcceptable(err error) bool {
	answer, ok := answerOf(err)
	return ok && answer.Actual == http.StatusNotAcceptable
}

// learn keeps the highest version that the refusal of one tells.
func (c *Client) learn(err error) {
	answer, _ := answerOf(err)
	_, message := readFault(answer.Body)
	m := versionsAre.FindStringSubmatch(message)
	if m == nil {
		return // the version document has to be asked
	}
	c.versions.mu.Lock()
	defer c.versions.mu.Unlock()
	c.versions.known, c.versions.max = true, versionDoc{Version: m[2]}.minor()
}

// minor returns the minor version to ask for: need at least, like if the
// server has it. Of a server that does not tell what it has, need is asked,
// and it may refuse.
func (c *Client) minor(ctx context.Context, need, like int) (int, error) {
	offer, err := c.offer(ctx)
	switch {
	case err != nil:
		return 0, err
	case offer < 0:
		return need, nil
	case offer < need:
		return 0, &tooOldError{need: need, offer: offer}
	}
	return max(need, min(like, offer)), nil
}

// offer returns the highest minor version of the server, asking it the first
// time. A failure is not remembered.
func (c *Client) offer(ctx context.Context) (int, error) {
	c.versions.mu.Lock()
	defer c.versions.mu.Unlock()
	if c.versions.known {
		return c.versions.max, nil
	}
	err := c.ask(ctx)
	return c.versions.max, err
}

// ask looks at the version document. The lock of versions is held.
func (c *Client) ask(ctx context.Context) error {
	found := -1
	for _, address := range discovery(c.sc.Endpoint) {
		highest, err := c.discover(ctx, address)
		if errors.Is(err, errNoDocument) {
			c.log.Debug("no version document", "url", address)
			continue
		}
		if err != nil {
			return err
		}
		found = highest
		break
	}
	c.versions.asked, c.versions.known, c.versions.max = true, true, found
	c.log.Debug("microversions", "highest", found)
	return nil
}

var versionSegment = regexp.MustCompile(`^v\d+(\.\d+)?$`)

// discovery returns where an endpoint may tell its versions: the address of
// the version itself, then the one above it.
func discovery(endpoint string) []string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	u.RawQuery, u.RawPath = "", ""
	for i := len(segments) - 1; i >= 0; i-- {
		if !versionSegment.MatchString(segments[i]) {
			continue
		}
		at, above := *u, *u
		at.Path = "/" + strings.Join(segments[:i+1], "/") + "/"
		above.Path = "/" + strings.Join(segments[:i], "/")
		if !strings.HasSuffix(above.Path, "/") {
			above.Path += "/"
		}
		return []string{at.String(), above.String()}
	}
	return []string{gophercloud.NormalizeURL(u.String())}
}

// errNoDocument: an address has no version document.
var errNoDocument = errors.New("no version document")

// maxDocument bounds the version document.
const maxDocument = 1 << 20

// discover returns the highest minor version of v3 that address tells.
func (c *Client) discover(ctx context.Context, address string) (int, error) {
	var resp *http.Response
	for try := 0; ; try++ {
		var err error
		sc := c.sc
		resp, err = sc.Request(ctx, http.MethodGet, address, &gophercloud.RequestOpts{
			OkCodes: []int{http.StatusOK, http.StatusMultipleChoices}, KeepResponseBody: true,
		})
		if err == nil {
			break
		}
		if try < maxRetries && ctx.Err() == nil && passing(err) && c.sleep(ctx, backoff(try, err)) == nil {
			continue
		}
		if answer, ok := answerOf(err); ok && answer.Actual < 500 && answer.Actual != http.StatusUnauthorized {
			return 0, errNoDocument // such as a proxy that does not let it through
		}
		return 0, err
	}
	defer resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Server"), "cinder-go") {
		c.versions.engine = true
	}
	var document struct {
		Versions []versionDoc `json:"versions"`
		Version  *versionDoc  `json:"version"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(&document) != nil {
		return 0, errNoDocument
	}
	if document.Version != nil {
		document.Versions = append(document.Versions, *document.Version)
	}
	for _, v := range document.Versions {
		if strings.HasPrefix(v.ID, "v3") {
			return v.minor(), nil
		}
	}
	return 0, errNoDocument
}

type versionDoc struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// minor is the highest minor version; 0 when there are no microversions.
func (v versionDoc) minor() int {
	digits, ok := strings.CutPrefix(v.Version, "3.")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// IsEngine reports whether the server is an engine of this project, which looks
// at the data before it calls a backup available. When the server does not say,
// it is taken for a cloud.
func (c *Client) IsEngine(ctx context.Context) bool {
	c.versions.mu.Lock()
	defer c.versions.mu.Unlock()
	return (c.versions.asked || c.ask(ctx) == nil) && c.versions.engine
}
