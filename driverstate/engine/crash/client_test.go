package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const project = "b2f3a1c4d5e64f7a8b9c0d1e2f3a4b5c"

// answer is what a server said; status 0 means that it said nothing.
type answer struct {
	status int
	body   map[string]any
}

// text follows keys into the body; empty when there is nothing.
func (a answer) text(keys ...string) string {
	var v any = a.body
	for _, key := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[key]
	}
	s, _ := v.(string)
	return s
}

var httpClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

// ask sends one request. It is an answer only if all of it arrived.
func ask(base, method, path string, body any) answer {
	var r io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		r = bytes.NewReader(raw)
	}
	request, err := http.NewRequest(method, base+"/v3/"+project+"/"+path, r)
	if err != nil {
		panic(err)
	}
	request.Header.Set("X-Auth-Token", "admin:"+project)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("OpenStack-API-Version", "volume 3.70")
	response, err := httpClient.Do(request)
	if err != nil {
		return answer{}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}
	}
	a := answer{status: response.StatusCode}
	if len(bytes.TrimSpace(raw)) > 0 && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			return answer{}
		}
	}
	return a
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

func (a answer) String() string {
	raw, err := json.Marshal(a.body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %.300s", a.status, raw)
}

type object = map[string]any
