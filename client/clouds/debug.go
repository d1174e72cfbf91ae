package clouds

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// maxShown bounds how much of a body is told.
const maxShown = 16 << 10

// mask stands for a secret.
const mask = "***"

// DebugTransport returns a transport that tells w of every request and answer
// of rt, one after the other. Tokens, passwords, secrets and the signatures of
// URLs are masked; of a long body the beginning is told.
func DebugTransport(rt http.RoundTripper, w io.Writer) http.RoundTripper {
	return &debugTransport{next: rt, w: w}
}

type debugTransport struct {
	next http.RoundTripper
	mu   sync.Mutex // one exchange is told at a time
	w    io.Writer
}

// RoundTrip tells of the request, sends it, and tells of the answer.
func (t *debugTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "> %s %s\n", r.Method, maskURL(r.URL))
	writeHeader(&out, ">", r.Header)
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		var shown []byte
		shown, r.Body = peek(r.Body)
		writeBody(&out, ">", shown)
	}
	t.tell(&out)
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		fmt.Fprintf(&out, "< %s\n", maskText(err.Error()))
		t.tell(&out)
		return nil, err
	}
	fmt.Fprintf(&out, "< %s\n", resp.Status)
	writeHeader(&out, "<", resp.Header)
	var shown []byte
	shown, resp.Body = peek(resp.Body)
	writeBody(&out, "<", shown)
	t.tell(&out)
	return resp, nil
}

func (t *debugTransport) tell(out *bytes.Buffer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w.Write(out.Bytes())
	out.Reset()
}

// peek returns the beginning of body, and body as if it had not been read.
func peek(body io.ReadCloser) ([]byte, io.ReadCloser) {
	shown, err := io.ReadAll(io.LimitReader(body, maxShown))
	rest := io.Reader(body)
	if err != nil {
		rest = failing{err}
	}
	return shown, struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(shown), rest), body}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// secretHeaders are told as masked, in their canonical spelling.
var secretHeaders = []string{
	"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Auth-Token", "X-Auth-Key", "X-Service-Token", "X-Storage-Token", "X-Subject-Token",
}

func writeHeader(out *bytes.Buffer, side string, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := maskText(strings.Join(h[name], ", "))
		if slices.Contains(secretHeaders, http.CanonicalHeaderKey(name)) {
			value = mask
		}
		fmt.Fprintf(out, "%s %s: %s\n", side, name, value)
	}
}

func writeBody(out *bytes.Buffer, side string, shown []byte) {
	if len(shown) == 0 {
		return
	}
	fmt.Fprintf(out, "%s\n%s %s", side, side, maskText(strings.TrimRight(string(shown), "\n")))
	if len(shown) == maxShown {
		out.WriteString("... (more)")
	}
	out.WriteByte('\n')
}

var (
	// A value may be cut off by the end of what is shown.
	secretMember = regexp.MustCompile(`(?i)("(?:[a-z_-]*password|adminpass|[a-z_-]*secret|passcode|auth_?token|access_?key|private_?key)"\s*:\s*")(?:[^"\\]|\\.)*\\?("|$)`)
	tokenMember  = regexp.MustCompile(`("token"\s*:\s*(?:\{\s*"id"\s*:\s*)?")(?:[^"\\]|\\.)*\\?("|$)`)
	// What a signed URL carries (Swift's tempurl, S3, GCS, Azure).
	secretQuery = regexp.MustCompile(`(?i)([?&](?:temp_url_sig|sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential|awsaccesskeyid|token)=)[^&#\s"'\\]*`)
	// The user of a URL may come with a password.
	urlPassword = regexp.MustCompile(`(://[^/\s:@"]*:)[^/\s@"]+@`)
)

func maskText(s string) string {
	s = secretMember.ReplaceAllString(s, "${1}"+mask+"${2}")
	s = tokenMember.ReplaceAllString(s, "${1}"+mask+"${2}")
	s = secretQuery.ReplaceAllString(s, "${1}"+mask)
	return urlPassword.ReplaceAllString(s, "${1}"+mask+"@")
}

func maskURL(u *url.URL) string { return maskText(u.String()) }
