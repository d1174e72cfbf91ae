package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// server is one of the two that are compared.
type server struct {
	name    string
	base    string // with /v3 and the project
	project string
	pid     int
	http    *http.Client
	close   func() error
}

// request is one case: what is sent in round n.
type request struct {
	name string
	once bool // changes rows: not for throughput
	send func(ctx context.Context, s *server, n int) error
}

func cases(set *fixtures) []request {
	row := func(n int) string { return set.rows[n%len(set.rows)].ID }
	return []request{
		{name: "list all, pages of 1000", once: true, send: func(ctx context.Context, s *server, _ int) error { return s.listAll(ctx, 1000) }},
		{name: "list the first 100", send: func(ctx context.Context, s *server, _ int) error {
			_, _, err := s.list(ctx, s.base+"/backups/detail?limit=100", 100)
			return err
		}},
		{name: "show", send: func(ctx context.Context, s *server, n int) error {
			return s.do(ctx, http.MethodGet, s.base+"/backups/"+row(n), nil, http.StatusOK, nil)
		}},
		{name: "export", send: func(ctx context.Context, s *server, n int) error {
			return s.do(ctx, http.MethodGet, s.base+"/backups/"+row(n)+"/export_record", nil, http.StatusOK, nil)
		}},
		{name: "import", once: true, send: func(ctx context.Context, s *server, n int) error {
			body := map[string]driverstate.ExportedRecord{"backup-record": set.imports[n]}
			return s.do(ctx, http.MethodPost, s.base+"/backups/import_record", body, http.StatusCreated, nil)
		}},
	}
}

// listAll follows the links to the last page.
func (s *server) listAll(ctx context.Context, limit int) error {
	url, total := fmt.Sprintf("%s/backups/detail?limit=%d", s.base, limit), 0
	for url != "" {
		n, next, err := s.list(ctx, url, -1)
		if err != nil {
			return err
		}
		url, total = next, total+n
	}
	if total < rowCount {
		return fmt.Errorf("%d of %d rows listed", total, rowCount)
	}
	return nil
}

// list asks for one page, of so many rows unless that is negative.
func (s *server) list(ctx context.Context, url string, want int) (n int, next string, err error) {
	var page struct {
		Backups []struct{ ID string }
		Links   []struct{ Rel, Href string } `json:"backups_links"`
	}
	if err := s.do(ctx, http.MethodGet, url, nil, http.StatusOK, &page); err != nil {
		return 0, "", err
	}
	if want >= 0 && len(page.Backups) != want {
		return 0, "", fmt.Errorf("%d rows, not %d", len(page.Backups), want)
	}
	for _, l := range page.Links {
		if l.Rel == "next" {
			next = l.Href
		}
	}
	return len(page.Backups), next, nil
}

func (s *server) do(ctx context.Context, method, url string, body any, status int, into any) error {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return err
	}
	r.Header.Set("X-Auth-Token", "admin:"+s.project)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("OpenStack-API-Version", "volume 3.64")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != status {
		return fmt.Errorf("%s %s: %s: %s", method, url, answer.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// throughput is how many answers a second come to several clients.
func (s *server) throughput(ctx context.Context, c request) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		sent    atomic.Int64
		once    sync.Once
		failure error
		wg      sync.WaitGroup
	)
	began := time.Now()
	for range clients {
		wg.Go(func() {
			for time.Since(began) < spell && ctx.Err() == nil {
				if err := c.send(ctx, s, int(sent.Add(1))); err != nil {
					once.Do(func() { failure = err; cancel() })
				}
			}
		})
	}
	wg.Wait()
	return float64(sent.Load()) / time.Since(began).Seconds(), failure
}
