package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine describes what the numbers were taken on.
func (l *lab) machine() ([]string, error) {
	floor, err := l.runner.Floor(l.ctx)
	if err != nil {
		return nil, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	lines := []string{
		fmt.Sprintf("%s, %d processors, %s of memory, Linux %s, %s", field("/proc/cpuinfo", "model name"), runtime.NumCPU(),
			field("/proc/meminfo", "MemTotal"), unix.ByteSliceToString(name.Release[:]), l.filesystem()),
		"cinder-go " + l.version(l.program, "--version") + "; " + runtime.Version(),
		"peers: " + strings.Join(l.peers(), ", "),
		fmt.Sprintf("%s, medians of %d turns, scale %g, load average %s; memory is seen from %d MiB on", time.Now().UTC().Format("2006-01-02 15:04 MST"), l.turns, l.scale, load(), floor>>20),
	}
	return lines, nil
}

// load says how much else went on.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	if err != nil {
		return "unknown"
	}
	return first
}

func field(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return key + " unknown"
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return key + " unknown"
}

// filesystem is that of the directory, as /proc/mounts names it.
func (l *lab) filesystem() string {
	text, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "unknown file system"
	}
	best, kind := "", ""
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 2 && (l.dir == f[1] || strings.HasPrefix(l.dir, strings.TrimSuffix(f[1], "/")+"/")) && len(f[1]) >= len(best) {
			best, kind = f[1], f[2]
		}
	}
	return kind
}

// peers are the versions of what is compared with.
func (l *lab) peers() []string {
	var all []string
	for _, name := range []string{"python3-cinder", "python3-cinderclient", "python3-openstackclient", "restic", "rclone", "zstd", "coreutils"} {
		u, err := l.start(nil, "dpkg-query", "-W", "-f", "${Version}", name)
		version := strings.TrimSpace(string(u.Stdout))
		if err != nil || version == "" {
			version = "not installed"
		}
		all = append(all, strings.TrimPrefix(name, "python3-")+" "+version)
	}
	return all
}

func (l *lab) version(argv ...string) string {
	u, err := l.start(nil, argv...)
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(u.Stdout)), "\n")
	return strings.TrimPrefix(first, "cinder-go ")
}
