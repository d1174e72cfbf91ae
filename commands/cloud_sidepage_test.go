package commands

import (
	"bytes"
	"fmt"
	"strings"
)

// sidePage is the table of all incidents, and what was typed in each.
func sidePage(incidents []sideIncident, results [][clients]sideResult) []byte {
	var b bytes.Buffer
	b.WriteString("# Incidents, side by side\n\n" +
		"The same broken state three times in a real cloud (Cinder Zed), and what an operator types with python-cinderclient\n" +
		"9.1.0, openstackclient 6.0.0 and cinder-go. `TestCloudSideBySide` does it and holds what is said here;\n" +
		"`CINDER_GO_UPDATE=1` writes this page.\n\n" +
		"**Commands** has the look that tells how it ended, where a client does not wait for that itself. **Honest** is *yes*\n" +
		"when every exit code 0 was true at that moment, *early* when it became true later, *no* when it never did.\n" +
		"**Final state** is what the database, the store and the bytes of the volumes say. **Seconds** are from the first\n" +
		"command to the end of the last, with the time until what was begun had happened, if it did; volumes and backups are\n" +
		"tiny, so they are mostly those of the clients.\n\n")
	var commands, right, honest [clients]int
	var seconds [clients]float64
	for i := range incidents {
		for client, r := range results[i] {
			commands[client] += len(r.codes)
			seconds[client] += r.total
			if r.right {
				right[client]++
			}
			if r.honest != "**no**" {
				honest[client]++
			}
		}
	}
	fmt.Fprintf(&b, "| Of %d incidents | cinder | openstack | cinder-go |\n| --- | --- | --- | --- |\n", len(incidents))
	fmt.Fprintf(&b, "| final state right | %d | %d | %d |\n", right[0], right[1], right[2])
	fmt.Fprintf(&b, "| no exit code that lies | %d | %d | %d |\n", honest[0], honest[1], honest[2])
	fmt.Fprintf(&b, "| commands typed | %d | %d | %d |\n", commands[0], commands[1], commands[2])
	fmt.Fprintf(&b, "| seconds | %.0f | %.0f | %.0f |\n\n", seconds[0], seconds[1], seconds[2])
	b.WriteString("| Incident | Client | Commands | Exit codes | Honest | Final state | Seconds |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for i, incident := range incidents {
		for client, r := range results[i] {
			title, state := incident.title, "right"
			if client > 0 {
				title = ""
			}
			if !r.right {
				state = "**wrong**"
			}
			fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s | %.1f |\n", title, clientNames[client], len(r.codes), strings.Join(r.codes, " "), r.honest, state, r.total)
		}
	}
	b.WriteString("\n## Whole processes\n\n`make bench-cloud` measures them when a cloud is up. Medians of ten rounds in turns, on 2 cores:\n\n" +
		"| | cinder-go | cinder | openstack |\n| --- | --- | --- | --- |\n" +
		"| `--version` | 8 ms | 664 ms (81 x) | 747 ms (91 x) |\n" +
		"| `backup-list` | 462 ms | 1173 ms (2.5 x) | 1533 ms (3.3 x) |\n" +
		"| its requests | 2 | 4 | 4, of which one lists all volumes |\n\n" +
		"Of each `backup-list` 450 ms are the servers', most of it Keystone's for the password.\n")
	for i, incident := range incidents {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", incident.title, wrapped(incident.state+" "+incident.note))
		for client, steps := range incident.typed {
			b.WriteString("\n")
			for k, step := range steps {
				r := results[i][client]
				fmt.Fprintf(&b, "    %-76s # exit %s, %.1f s\n", step.typed, r.codes[k], r.seconds[k])
			}
		}
	}
	return b.Bytes()
}

// wrapped breaks a paragraph into lines.
func wrapped(text string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		switch {
		case width == 0:
		case width+1+len(word) > 118:
			b.WriteString("\n")
			width = 0
		default:
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String()
}
