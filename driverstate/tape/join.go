package tape

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// documentEnd is that of the name of a backup's metadata document
// (cinder/backup/chunkeddriver.py).
const documentEnd = "_metadata"

// hasDocument reports whether the metadata document of the backup of a prefix
// is there.
func (c *content) hasDocument(container, prefix string) bool {
	return c.objects[container][prefix+documentEnd] != nil
}

// hasBackup reports whether a container, which is that of one backup, holds its
// metadata document.
func (c *content) hasBackup(container string) bool {
	for name := range c.objects[container] {
		if strings.HasSuffix(name, documentEnd) {
			return true
		}
	}
	return false
}

// isHead reports whether a block that begins at off is that of another tape's
// volume.
func (s *scanner) isHead(m *medium, h header, err error, off int64) bool {
	return (err == nil || errors.Is(err, errVersion)) && s.c.known && h.tape != s.c.tape && h.kind == kindVolume &&
		off+headerSize+int64(h.length) <= m.size
}

// another begins the tape whose head h follows the last block of this one.
func (s *scanner) another(m *medium, h header, off int64) error {
	refuse := func(why string) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("%s: another tape at byte %d: %s", m.name, off, why))
	}
	payload, err := readPayload(m, off+headerSize, h, s.buffer)
	if err != nil {
		return refuse(err.Error())
	}
	head, err := parseVolume(payload, h.tape)
	if err != nil {
		return refuse(err.Error())
	}
	if head.Volume != 1 {
		return refuse(fmt.Sprintf("this is its volume %d: bring the volumes of each tape in their order, from the first", head.Volume))
	}
	s.drop("at the end of its tape")
	s.earlier = append(s.earlier, s.c)
	s.c, s.hurt = newContent(), ""
	return nil
}

// hidden answers an error if another tape begins behind the last block of this
// one, at last, or in that block if it is torn: it may be one that was written
// behind a tape that was cut short, or data of this one. The first bytes of the
// other can be the very ones that this was cut by, and then the block looks
// whole: so a head is looked for in its last bytes too.
func (s *scanner) hidden(m *medium, last int64) error {
	off := int64(0)
	if last >= 0 {
		off = last + 1
		var raw [headerSize]byte
		n, _ := m.ReadAt(raw[:], last)
		if h, err := parseHeader(raw[:n]); !errors.Is(err, errNoBlock) {
			if _, err := readPayload(m, last+headerSize, h, s.buffer); err == nil {
				off += int64(h.length)
			}
		}
	}
	at, found := s.seek(m, off, func(h header, err error, at int64) bool { return s.isHead(m, h, err, at) })
	if !found {
		return nil
	}
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
		"%s: another tape begins at byte %d, behind one that is cut short or damaged: part them, and read each by itself: head -c %d TAPE > FIRST.cbk; tail -c +%d TAPE > SECOND.cbk",
		m.name, at, at, at+1))
}

// joined is what several tapes hold, one after another, as one. Of a backup
// that is on several, the last that is there whole counts.
func (s *scanner) joined() *content {
	all := append(s.earlier, s.c)
	c := all[0]
	for _, next := range all[1:] {
		for container, of := range next.objects {
			switch {
			case next.hasBackup(container) || c.objects[container] == nil:
				c.objects[container] = of
			case c.hasBackup(container):
				next.problem("container %s has no metadata document there, and one on a tape before: that is taken", container)
			default:
				for _, o := range of {
					c.put(o)
				}
			}
		}
		for _, r := range next.records {
			c.keep(r)
		}
		c.problems = append(c.problems, next.problems...)
	}
	c.tapes = len(all)
	return c
}
