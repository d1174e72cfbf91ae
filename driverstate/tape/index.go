package tape

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// errNoIndex: the tape must be walked.
var errNoIndex = errors.New("the tape has no index that can be used")

// indexed reads what is on a tape from the index at its end. Any doubt answers
// errNoIndex.
func indexed(media []*medium) (*content, error) {
	x := &indexReader{media: media, c: newContent(), mediumOf: map[int]int{}, buffer: make([]byte, maxPayload)}
	if err := x.volumes(); err != nil {
		return nil, err
	}
	final, err := x.final()
	if err != nil {
		return nil, err
	}
	if err := x.chain(final); err != nil {
		return nil, err
	}
	objects, bytes := x.c.count()
	if objects != final.Objects || bytes != final.Bytes || len(x.c.records) != final.Records {
		return nil, errNoIndex
	}
	return x.c, nil
}

type indexReader struct {
	media    []*medium
	c        *content
	mediumOf map[int]int // by volume
	buffer   []byte
}

// block reads the block at a, which must be of kind k.
func (x *indexReader) block(a at, k kind) (header, []byte, error) {
	m := x.media[a.medium]
	var raw [headerSize]byte
	if n, _ := m.ReadAt(raw[:], a.offset); n < headerSize {
		return header{}, nil, errNoIndex
	}
	h, err := parseHeader(raw[:])
	if err != nil || h.kind != k || x.c.known && h.tape != x.c.tape {
		return h, nil, errNoIndex
	}
	payload, err := readPayload(m, a.offset+headerSize, h, x.buffer)
	if err != nil {
		return h, nil, errNoIndex
	}
	return h, payload, nil
}

// volumes learns which medium is which volume.
func (x *indexReader) volumes() error {
	for i := range x.media {
		h, payload, err := x.block(at{i, 0}, kindVolume)
		if err != nil {
			return err
		}
		head, err := parseVolume(payload, h.tape)
		if err != nil || head.Volume != i+1 {
			return errNoIndex
		}
		x.c.tape, x.c.known, x.c.volume = h.tape, true, head.Volume
		x.mediumOf[head.Volume] = i
	}
	return nil
}

// index is one that was written: what it names is before its final block.
type index struct {
	at      at  // of the final block
	entries int // objects and records that it names
}

// link is the final block of an index, and where it is.
type link struct {
	finalBlock
	at at
}

func (x *indexReader) final() (link, error) {
	last := len(x.media) - 1
	where := at{last, x.media[last].size - finalSize}
	if where.offset < 0 {
		return link{}, errNoIndex
	}
	final, h, err := x.finalAt(where)
	x.c.next, x.c.end = h.number+1, at{last, x.media[last].size}
	return link{final, where}, err
}

func (x *indexReader) finalAt(where at) (final finalBlock, h header, err error) {
	h, payload, err := x.block(where, kindFinal)
	if err == nil && (h.length != finalSize-headerSize || json.Unmarshal(payload, &final) != nil) {
		err = errNoIndex
	}
	return final, h, err
}

// chain reads the index that ends with last, and before it those that it adds
// to.
func (x *indexReader) chain(last link) error {
	chain := []link{last}
	for l := last; l.Before != nil; chain = append(chain, l) {
		begin, err := x.find(l.Index)
		if err != nil {
			return err
		}
		if !begin.before(l.at) { // or it could lead round and round
			return errNoIndex
		}
		if l.at, err = x.find(*l.Before); err != nil {
			return err
		}
		if !l.at.before(begin) {
			return errNoIndex
		}
		l.finalBlock = finalBlock{}
		if l.finalBlock, _, err = x.finalAt(l.at); err != nil {
			return err
		}
	}
	for _, l := range slices.Backward(chain) {
		n, err := x.parts(l.Index, l.at)
		if err != nil {
			return err
		}
		x.c.indexes = append(x.c.indexes, index{l.at, n})
	}
	return nil
}

func (x *indexReader) find(s spot) (at, error) {
	i, ok := x.mediumOf[s.Volume]
	if !ok || s.Offset < 0 || s.Offset >= x.media[i].size {
		return at{}, errNoIndex
	}
	return at{i, s.Offset}, nil
}

// parts reads the blocks of an index up to its final one, which follows them:
// else something else was put behind the tape. It returns how much they name.
func (x *indexReader) parts(from spot, end at) (entries int, err error) {
	where, err := x.find(from)
	if err != nil {
		return 0, err
	}
	var records []spot
	for {
		for where.offset >= x.media[where.medium].size {
			if where = (at{where.medium + 1, 0}); where.medium == len(x.media) {
				return 0, errNoIndex
			}
		}
		if where == end {
			return entries + len(records), x.records(records)
		}
		if h, _, err := x.block(where, kindVolume); err == nil {
			where.offset += headerSize + int64(h.length)
			continue
		}
		h, payload, err := x.block(where, kindIndex)
		if err != nil {
			return 0, err
		}
		var p indexPart
		if err := json.Unmarshal(payload, &p); err != nil {
			return 0, errNoIndex
		}
		records = append(records, p.Records...)
		entries += len(p.Objects)
		if err := x.objects(p.Objects); err != nil {
			return 0, err
		}
		where.offset += headerSize + int64(h.length)
	}
}

func (x *indexReader) objects(list []indexObject) error {
	for _, o := range list {
		where, err := x.find(o.At)
		if err != nil || !plainPath(o.Container) || !plainPath(o.Name) || o.Size < 0 || o.End.Size != o.Size {
			return errNoIndex
		}
		x.c.put(&object{tape: x.c.tape, head: o.objectHead, end: o.End, at: where})
	}
	return nil
}

func (x *indexReader) records(spots []spot) error {
	for _, s := range spots {
		where, err := x.find(s)
		if err != nil {
			return err
		}
		_, payload, err := x.block(where, kindRecord)
		if err != nil {
			return err
		}
		r, err := parseRecord(payload)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoIndex, err)
		}
		r.at = where
		x.c.keep(r)
	}
	return nil
}
