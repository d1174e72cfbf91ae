package objectstore

import (
	"context"
	"iter"
)

// Pager is a Store whose listings come in pages. The loop over them is
// ListPages and ContainerPages, so that one page can be asked for again.
type Pager interface {
	// Page is one page of List; after is empty for the first page, and next is
	// empty after the last.
	Page(ctx context.Context, container, prefix, after string) (page []Info, next string, err error)
	// ContainerPage is one page of Containers.
	ContainerPage(ctx context.Context, after string) (page []string, next string, err error)
}

// ListPages yields all pages of a listing: what a Pager has for its List.
func ListPages(ctx context.Context, p Pager, container, prefix string) iter.Seq2[Info, error] {
	return pages(func(after string) ([]Info, string, error) { return p.Page(ctx, container, prefix, after) })
}

// ContainerPages yields all containers: what a Pager has for its Containers.
func ContainerPages(ctx context.Context, p Pager) iter.Seq2[string, error] {
	return pages(func(after string) ([]string, string, error) { return p.ContainerPage(ctx, after) })
}

func pages[T any](page func(after string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := ""; ; {
			items, next, err := page(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			after = next
		}
	}
}
