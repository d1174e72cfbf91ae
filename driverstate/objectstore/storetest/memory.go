package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Memory is a Store in memory for tests of what uses a store. It tells what
// was asked of it, and fails on demand.
type Memory struct {
	mu         sync.Mutex
	containers map[string]map[string][]byte
	calls      []string
	// Fail, if set, is asked before every call; a non-nil error is returned
	// instead. op is put-container, containers, list, get, put, delete or
	// remove-container.
	Fail func(op, container, name string) error
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{containers: make(map[string]map[string][]byte)}
}

// Calls are the calls so far, as "op container name", oldest first.
func (m *Memory) Calls() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// Set stores content, making the container.
func (m *Memory) Set(container, name, content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.containers[container] == nil {
		m.containers[container] = make(map[string][]byte)
	}
	m.containers[container][name] = []byte(content)
}

// Names are the objects of container, sorted; nil if it is not there.
func (m *Memory) Names(container string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.containers[container]))
}

func (m *Memory) call(ctx context.Context, op, container, name string) error {
	m.mu.Lock()
	m.calls = append(m.calls, strings.TrimSpace(op+" "+container+" "+name))
	fail := m.Fail
	m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	onContainer := op == "put-container" || op == "remove-container" || op == "list"
	if op != "containers" && (bad(container) || !onContainer && bad(name)) {
		return fmt.Errorf("%q in %q: %w", name, container, objectstore.ErrBadName)
	}
	if fail != nil {
		return fail(op, container, name)
	}
	return nil
}

func bad(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "\x00\n\x7f") {
			return true
		}
	}
	return false
}

// PutContainer makes the container.
func (m *Memory) PutContainer(ctx context.Context, container string) error {
	if err := m.call(ctx, "put-container", container, ""); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.containers[container] == nil {
		m.containers[container] = make(map[string][]byte)
	}
	return nil
}

// Containers yields every container.
func (m *Memory) Containers(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := m.call(ctx, "containers", "", ""); err != nil {
			yield("", err)
			return
		}
		m.mu.Lock()
		names := slices.Sorted(maps.Keys(m.containers))
		m.mu.Unlock()
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// List yields the objects of container.
func (m *Memory) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		if err := m.call(ctx, "list", container, ""); err != nil {
			yield(objectstore.Info{}, err)
			return
		}
		m.mu.Lock()
		objects, ok := m.containers[container]
		var infos []objectstore.Info
		for name, content := range objects {
			if strings.HasPrefix(name, prefix) {
				infos = append(infos, objectstore.Info{Name: name, Size: int64(len(content)), Modified: time.Now()})
			}
		}
		m.mu.Unlock()
		if !ok {
			yield(objectstore.Info{}, fmt.Errorf("container %s: %w", container, objectstore.ErrNoContainer))
		}
		for _, i := range infos {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// Get opens a range of an object.
func (m *Memory) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	if err := m.call(ctx, "get", container, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.containers[container][name]
	if !ok {
		return nil, fmt.Errorf("object %s/%s: %w", container, name, objectstore.ErrNotFound)
	}
	if off < 0 {
		return nil, fmt.Errorf("object %s/%s: offset %d is negative", container, name, off)
	}
	content = content[min(off, int64(len(content))):]
	if n >= 0 {
		content = content[:min(n, int64(len(content)))]
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Put stores size bytes of r.
func (m *Memory) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	if err := m.call(ctx, "put", container, name); err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(objectstore.Until(ctx, r), size))
	if err == nil && int64(len(content)) != size {
		err = fmt.Errorf("object %s/%s: %w", container, name, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	objects, ok := m.containers[container]
	if !ok {
		return fmt.Errorf("container %s: %w", container, objectstore.ErrNoContainer)
	}
	objects[name] = content
	return nil
}

// Delete removes an object.
func (m *Memory) Delete(ctx context.Context, container, name string) error {
	if err := m.call(ctx, "delete", container, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.containers[container], name)
	return nil
}

// RemoveContainer removes a container that is empty.
func (m *Memory) RemoveContainer(ctx context.Context, container string) error {
	if err := m.call(ctx, "remove-container", container, ""); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.containers[container]) == 0 {
		delete(m.containers, container)
	}
	return nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
