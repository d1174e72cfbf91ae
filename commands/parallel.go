package commands

import (
	"cmp"
	"context"
)

// defaultParallel is how many backups a verb works on at once. A cloud does the
// work by itself; this bounds the requests and waits.
const defaultParallel = 8

// parallelFlags is what --parallel says to verbs that work on several backups at
// once.
type parallelFlags struct{ n int }

// check takes the N of --parallel, or else fallback.
func (p *parallelFlags) check(g *globalFlags, fallback int) error {
	p.n = cmp.Or(g.tune.parallel, fallback)
	return nil
}

// forEach runs do for each item of list, at most n at once, and tells items of
// the results in the order of the list, each as soon as those before it are
// known. What had not begun when ctx ended is failed with its error. It
// returns when all that it started has ended.
func forEach[T any](ctx context.Context, n int, list []T, items *bulk, do func(context.Context, T) result) {
	done := make([]chan result, len(list))
	for i := range done {
		done[i] = make(chan result, 1)
	}
	slots := make(chan struct{}, max(n, 1))
	go func() {
		for i, item := range list {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				done[i] <- do(ctx, item)
			}()
		}
	}()
	for i := range list {
		items.add(<-done[i])
	}
}
