package commands

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// ways says of each way out whether it is open, and why not.
func (s *sight) ways(p *patient) {
	b := p.backup
	say := func(way string, reasons ...string) {
		var real []string
		for _, r := range reasons {
			if r != "" {
				real = append(real, r)
			}
		}
		if len(real) == 0 {
			p.open = append(p.open, way)
			return
		}
		p.shut = append(p.shut, way+": "+strings.Join(real, "; "))
	}
	when := func(is bool, text string) string {
		if is {
			return text
		}
		return ""
	}
	resting := b.Status == driverstate.StatusAvailable || b.Status == driverstate.StatusError
	available := b.Status == driverstate.StatusAvailable
	status := "its status is " + string(b.Status)
	standing := when(len(p.dependents) > 0, plural(len(p.dependents), "backup")+" on top of it")
	nobody := s.nobodyUp()
	host := p.deadHost()
	force := when(host != "", host+", and is asked first, whatever the settings: 500 after the RPC time-out")
	host = when(host != "", host+": 404 if backup_use_same_host=True")
	say("backup-delete", when(!resting, status+", and it takes available and error"), standing, nobody, host)
	say("backup-force-delete", standing, nobody, force)
	say("backup-reset-state", nobody, when(s.untaken[b.ID], "its row names no driver: accepted (202), and nothing happens"), host)
	say("backup-restore", when(!available, status), when(!p.complete, "what it stands on has no row"), nobody, host)
	say("backup-export", when(!available, status), nobody, host)
}

// nobodyUp says that no cinder-backup can do anything; empty when one can, or
// when it is not known.
func (s *sight) nobodyUp() string {
	if !s.servicesSeen {
		return ""
	}
	for _, service := range s.services {
		if service.Binary == driverstate.BinaryBackup && isUp(service) {
			return ""
		}
	}
	return "no cinder-backup is up"
}

func caseColumns() []output.Column {
	keys := []string{"id", "name", "status", "since", "seconds", "project_id", "volume_id", "volume_status", "host", "driver",
		"is_incremental", "stands_on", "chain_complete", "dependents", "fail_reason", "messages", "store", "findings", "open", "shut", "next"}
	out := make([]output.Column, len(keys))
	for i, key := range keys {
		words := strings.Split(key, "_")
		for j, w := range words {
			words[j] = strings.ToUpper(w[:1]) + w[1:]
		}
		out[i] = output.Column{Key: key, Title: strings.Join(words, " ")}
	}
	return out
}

// showCase writes what is known of one backup.
func (o *doctorOptions) showCase(p *patient, s *sight) error {
	b := p.backup
	since := changedAt(b.UpdatedAt, b.CreatedAt)
	var messages, found, next []string
	for _, m := range p.messages {
		messages = append(messages, m.CreatedAt.UTC().Format(time.RFC3339)+" "+m.UserMessage)
	}
	for _, f := range p.findings {
		found = append(found, f.cause+": "+f.explanation())
		next = append(next, commandsOf(f.next)...)
	}
	if o.out.format != output.Table || len(o.out.columns) > 0 {
		return o.print(output.View{Single: true, Columns: caseColumns(), Rows: [][]any{{
			b.ID, b.Name, string(b.Status), since, int64(max(s.now.Sub(since), 0) / time.Second), orNil(b.ProjectID),
			b.VolumeID, orNil(p.volume), orNil(p.hostWords()), orNil(p.driver), b.IsIncremental, list(p.ancestors), p.complete,
			list(p.dependents), b.FailReason, list(messages), orNil(p.store), list(found), list(p.open), list(p.shut), list(next),
		}}})
	}
	width := pageWidth
	if o.con.io.OutTTY && o.con.io.OutWidth() > 0 {
		width = min(width, o.con.io.OutWidth())
	}
	var w strings.Builder
	writeWrapped(&w, "", indent, "backup "+b.ID+"  "+nameOf(b), width)
	kind := "full"
	if b.IsIncremental {
		kind = "incremental"
	}
	chain := append([]string{}, p.ancestors...)
	if !p.complete {
		chain = append(chain, "one that has no row")
	}
	for _, field := range []struct {
		name   string
		values []string
	}{
		{"status", []string{fmt.Sprintf("%s for %s", b.Status, ageOf(s.now.Sub(since)))}},
		{"recorded", one(strings.TrimSuffix(failReason(b), "no reason was recorded"))},
		{"kind", []string{kind}},
		{"project", one(b.ProjectID)},
		{"volume", []string{strings.TrimSuffix(b.VolumeID+" ("+p.volume+")", " ()")}},
		{"host", one(p.hostWords())},
		{"driver", one(p.driver)},
		{"stands on", chain},
		{"on it", p.dependents},
		{"store", one(p.store)},
		{"messages", messages},
		{"open", one(strings.Join(p.open, ", "))},
		{"shut", p.shut},
	} {
		label := field.name
		for _, value := range field.values {
			writeWrapped(&w, fmt.Sprintf("  %-11s", label), strings.Repeat(" ", 13), iostreams.Escape(value), width)
			label = ""
		}
	}
	if len(p.findings) > 0 {
		w.WriteString("\n")
	}
	if _, err := io.WriteString(o.con.io.Out, w.String()); err != nil {
		return err
	}
	return writePage(o.con.io.Out, width, p.findings, s.now)
}

// one is a list of s, or an empty one.
func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
