// Command clients compares whole processes of cinder-go, cinder and openstack
// against the cloud of testdata/cloud: they run in turns, so that what else the
// machine does falls on all of them. It prints medians, their ratios, and the
// requests that each client makes.
//
//	go run ./testdata/bench/clients bin/cinder-go [ROUNDS]
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/testdata/bench/measure"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: clients CINDER-GO [ROUNDS]")
		os.Exit(2)
	}
	rounds := 10
	if len(os.Args) > 2 {
		n, err := strconv.Atoi(os.Args[2])
		if err != nil || n < 1 {
			fmt.Fprintln(os.Stderr, "usage: clients CINDER-GO [ROUNDS]")
			os.Exit(2)
		}
		rounds = n
	}
	if err := compare(os.Args[1], rounds); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func compare(program string, rounds int) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	vars, err := cloudVars()
	if err != nil {
		fmt.Println("whole processes against a cloud: skipped: no cloud")
		if !errors.Is(err, fs.ErrNotExist) {
			fmt.Println(err)
		}
		return nil
	}
	jobs := []struct {
		name     string
		commands [][]string
	}{
		{"--version", [][]string{{program, "--version"}, {"cinder", "--version"}, {"openstack", "--version"}}},
		{"backup-list", [][]string{{program, "backup-list"}, {"cinder", "backup-list"}, {"openstack", "volume", "backup", "list"}}},
	}
	fmt.Printf("whole processes, %d rounds in turns, medians (and how many times cinder-go's)\n", rounds)
	fmt.Printf("%-13s %14s %22s %22s\n", "", "cinder-go", "cinder", "openstack")
	env := environ(vars["CLOUD_AUTH_URL"])
	for _, job := range jobs {
		// One more round, before the others, warms the caches.
		times, err := measure.InTurns(1, rounds, contestants(job.commands, env))
		if err != nil {
			return err
		}
		var medians []time.Duration
		for _, list := range times {
			medians = append(medians, measure.Median(list))
		}
		line := fmt.Sprintf("%-13s %14s", job.name, measure.Milliseconds(medians[0]))
		for _, median := range medians[1:] {
			line += fmt.Sprintf(" %22s", fmt.Sprintf("%s (%.1f x)", measure.Milliseconds(median), float64(median)/float64(medians[0])))
		}
		fmt.Println(line)
	}
	fmt.Println("requests of backup-list, and how long the servers took for them:")
	for _, command := range jobs[1].commands {
		seen, err := requestsOf(command, vars)
		if err != nil {
			return err
		}
		fmt.Printf("  %-10s %s\n", filepath.Base(command[0]), seen)
	}
	return nil
}

// cloudVars is what testdata/cloud/up wrote down, if the cloud is up.
func cloudVars() (map[string]string, error) {
	dir := os.Getenv("CLOUD_DIR")
	if dir == "" {
		dir = "/tmp/cinder-go-cloud"
	}
	text, err := os.ReadFile(filepath.Join(dir, "run", "env"))
	if err != nil {
		return nil, err
	}
	vars := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		vars[key] = value
	}
	resp, err := http.Get(vars["CLOUD_API"] + "/healthcheck")
	if err != nil {
		return nil, err
	}
	return vars, resp.Body.Close()
}

// environ is this process's environment with the cloud's admin for a user.
func environ(authURL string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "OS_") || strings.HasPrefix(v, "CINDER")
	})
	return append(env, "OS_AUTH_URL="+authURL, "OS_USERNAME=admin", "OS_PASSWORD=admin", "OS_PROJECT_NAME=admin",
		"OS_USER_DOMAIN_ID=default", "OS_PROJECT_DOMAIN_ID=default", "OS_IDENTITY_API_VERSION=3", "OS_REGION_NAME=RegionOne")
}

func contestants(commands [][]string, env []string) []func(int) (time.Duration, error) {
	var all []func(int) (time.Duration, error)
	for _, command := range commands {
		all = append(all, func(int) (time.Duration, error) {
			u, err := measure.Run(context.Background(), env, command...)
			return u.Wall, err
		})
	}
	return all
}

// requestsOf runs a command behind proxies in front of Keystone and Cinder.
func requestsOf(command []string, vars map[string]string) (string, error) {
	keystone, err := url.Parse(vars["CLOUD_AUTH_URL"])
	if err != nil {
		return "", err
	}
	cinder, err := url.Parse(vars["CLOUD_API"])
	if err != nil {
		return "", err
	}
	var log requestLog
	cinderProxy := httptest.NewServer(log.proxy(cinder, nil))
	defer cinderProxy.Close()
	keystoneProxy := httptest.NewServer(log.proxy(&url.URL{Scheme: keystone.Scheme, Host: keystone.Host}, func(body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(vars["CLOUD_API"]), []byte(cinderProxy.URL))
	}))
	defer keystoneProxy.Close()
	if _, err := measure.Run(context.Background(), environ(keystoneProxy.URL+keystone.Path), command...); err != nil {
		return "", err
	}
	log.Lock()
	defer log.Unlock()
	return fmt.Sprintf("%d, %s: %s", len(log.lines), measure.Milliseconds(log.took), strings.Join(log.lines, ", ")), nil
}

// requestLog is what passed its proxies.
type requestLog struct {
	sync.Mutex
	lines []string
	took  time.Duration
}

// proxy keeps the Host that the client asked for: both servers make their links
// of it, which so lead through the proxy again.
func (l *requestLog) proxy(to *url.URL, change func([]byte) []byte) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Accept-Encoding") // the transport then unpacks it
		},
		ModifyResponse: func(resp *http.Response) error {
			if change == nil {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			body = change(body)
			resp.Body = io.NopCloser(bytes.NewReader(body))
			resp.ContentLength = int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		proxy.ServeHTTP(w, r)
		l.Lock()
		defer l.Unlock()
		l.lines = append(l.lines, r.Method+" "+r.URL.Path)
		l.took += time.Since(began)
	})
}
