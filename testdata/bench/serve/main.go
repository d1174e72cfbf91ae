// Command serve compares `cinder-go serve` with the cinder-api of testdata/cloud:
// the same requests, sent to both in turns, over tables of the same 10,000
// backups. Without a cloud it says so and does nothing. It prints medians, their ratios, requests per second of eight
// clients, and the memory of both processes.
//
//	go run ./testdata/bench/serve bin/cinder-go [ROUNDS]
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cinder-go/cinder-go/testdata/bench/measure"
)

// rowCount is how many backups both tables hold.
const rowCount = 10000

// clients is how many send requests at once when throughput is measured, each
// for spell.
const (
	clients = 8
	spell   = 3 * time.Second
)

// noCloud is all that is printed when there is nothing to compare with.
const noCloud = "serve against cinder-api (throughput, latency, memory): left out, no cloud is up; make cloud-up starts one, make bench-cloud measures them then"

func main() {
	program, rounds, ok := arguments()
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: serve CINDER-GO [ROUNDS]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := compare(ctx, program, rounds)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func arguments() (program string, rounds int, ok bool) {
	if len(os.Args) < 2 {
		return "", 0, false
	}
	rounds = 20
	if len(os.Args) > 2 {
		n, err := strconv.Atoi(os.Args[2])
		if err != nil || n < 1 {
			return "", 0, false
		}
		rounds = n
	}
	program, err := filepath.Abs(os.Args[1])
	return program, rounds, err == nil
}

func compare(ctx context.Context, program string, rounds int) (err error) {
	if _, _, err := cloudVars(); errors.Is(err, fs.ErrNotExist) {
		fmt.Println(noCloud)
		return nil
	}
	dir, err := os.MkdirTemp("", "bench-serve-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// One import a round on each side, and one to warm up.
	set, err := makeFixtures(filepath.Join(dir, "store"), rowCount, rounds+1)
	if err != nil {
		return err
	}
	cinder, err := openCloud(ctx, set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cinder.close()) }()
	ours, err := openEngine(ctx, program, dir, set)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.close()) }()
	servers := []*server{ours, cinder}

	fmt.Printf("serve and cinder-api (both noauth), %d rows each, %d rounds in turns, medians\n", rowCount, rounds)
	fmt.Printf("%-34s %12s %22s\n", "", "cinder-go", "cinder-api")
	for _, c := range cases(set) {
		medians, err := inTurns(ctx, servers, c, rounds)
		if err != nil {
			return err
		}
		fmt.Printf("%-34s %12s %22s\n", c.name, measure.Milliseconds(medians[0]), fmt.Sprintf("%s (%.1f x)",
			measure.Milliseconds(medians[1]), float64(medians[1])/float64(medians[0])))
	}
	for _, c := range cases(set) {
		if c.once {
			continue
		}
		rates := make([]float64, len(servers))
		for i, s := range servers {
			if rates[i], err = s.throughput(ctx, c); err != nil {
				return err
			}
		}
		fmt.Printf("%-34s %10.0f/s %22s\n", fmt.Sprintf("%s, %d clients", c.name, clients), rates[0],
			fmt.Sprintf("%.0f/s (1/%.1f)", rates[1], rates[0]/rates[1]))
	}
	return memory(servers)
}

// memory prints what both processes hold at the end.
func memory(servers []*server) error {
	held := make([]int64, len(servers))
	for i, s := range servers {
		var err error
		if held[i], err = residentSet(s.pid); err != nil {
			return err
		}
	}
	fmt.Printf("%-34s %8d MiB %22s\n", "resident memory at the end", held[0]>>20,
		fmt.Sprintf("%d MiB (%.1f x)", held[1]>>20, float64(held[1])/float64(held[0])))
	return nil
}

// inTurns sends c to A B A B ... after one round that warms the caches, and
// returns the median of each.
func inTurns(ctx context.Context, servers []*server, c request, rounds int) ([]time.Duration, error) {
	var contestants []func(int) (time.Duration, error)
	for _, s := range servers {
		contestants = append(contestants, func(round int) (time.Duration, error) {
			began := time.Now()
			if err := c.send(ctx, s, round); err != nil {
				return 0, fmt.Errorf("%s to %s: %w", c.name, s.name, err)
			}
			return time.Since(began), nil
		})
	}
	times, err := measure.InTurns(1, rounds, contestants)
	if err != nil {
		return nil, err
	}
	medians := make([]time.Duration, len(servers))
	for i, list := range times {
		medians[i] = measure.Median(list)
	}
	return medians, nil
}
