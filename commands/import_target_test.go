package commands

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

func TestAnIncrementWithoutItsParentIsRefusedUnlessTold(t *testing.T) {
	in := lines(t, recordFor(t, idOther, idChild, "c"), recordFor(t, idChild, idFull, "b"))
	f, b := &recordsFake{}, newBench()
	assert.Equal(t, 5, exitCode(runBackupImport(t.Context(), importOn(f, b, in))))
	assert.Empty(t, f.sent)
	assert.Contains(t, b.err.String(), "backup "+idChild+": not imported: its parent "+idFull+" is neither among the records nor in the database")
	assert.Contains(t, b.err.String(), "backup "+idOther+": not imported, as its parent "+idChild+" was not")
	assert.Contains(t, b.err.String(), "--allow-missing-parents")

	f = &recordsFake{fake: fake{after: available(idChild, idOther)}}
	o := importOn(f, newBench(), in)
	o.orphans = true
	require.NoError(t, runBackupImport(t.Context(), o))
	assert.Len(t, f.sent, 2)

	f = &recordsFake{fake: fake{backups: available(idFull), after: available(idChild, idOther)}}
	require.NoError(t, runBackupImport(t.Context(), importOn(f, newBench(), in)))
	assert.Len(t, f.sent, 2, "a parent that has a row will do")
}

func TestAQuotaThatIsTooSmallStopsItBeforeTheFirst(t *testing.T) {
	in := lines(t, recordFor(t, idFull, "", "a"), recordFor(t, idOther, "", "b"))
	for _, c := range []struct {
		name  string
		quota client.Quota
		err   error
		text  string
	}{
		{"number", client.Quota{Backups: 10, BackupsInUse: 9, Gigabytes: -1}, nil, "2 backups are needed, and 1 of 10 are free"},
		{"size", client.Quota{Backups: -1, Gigabytes: 100, GigabytesInUse: 100}, nil, "2 backup gigabytes are needed, and 0 of 100 are free"},
		{"over it already", client.Quota{Backups: 1, BackupsInUse: 5, Gigabytes: -1}, nil, "2 backups are needed, and 0 of 1 are free"},
		{"enough", client.Quota{Backups: 10, BackupsInUse: 8, Gigabytes: 2}, nil, ""},
		{"no such route", client.Quota{}, driverstate.ErrNotSupported, ""},
		{"not for this caller", client.Quota{}, driverstate.ErrForbidden, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &recordsFake{quota: c.quota, quotaErr: c.err, fake: fake{after: available(idFull, idOther)}}
			err := runBackupImport(t.Context(), importOn(f, newBench(), in))
			if c.text == "" {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, 6, exitCode(err))
			assert.ErrorContains(t, err, c.text)
			assert.Empty(t, f.sent)
		})
	}
}

func TestMoreThanMaxAreNotBegun(t *testing.T) {
	f := &recordsFake{}
	o := importOn(f, newBench(), lines(t, recordFor(t, idFull, "", "a"), recordFor(t, idOther, "", "b")))
	o.guard.max = 1
	assert.Equal(t, 6, exitCode(runBackupImport(t.Context(), o)))
	assert.Empty(t, f.sent)
}

func TestWithoutAServiceNothingIsSent(t *testing.T) {
	for name, up := range map[string][]client.Service{
		"none": {}, "down": {{Host: "a", State: "down", Status: "enabled"}}, "disabled": {{Host: "a", State: "up", Status: "disabled"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &recordsFake{up: up}
			err := runBackupImport(t.Context(), importOn(f, newBench(), lines(t, recordFor(t, idFull, "", "a"))))
			assert.Equal(t, 8, exitCode(err))
			assert.Empty(t, f.sent)
		})
	}
}

// Two rows of the same objects: deleting one removes the data of the other.
func TestObjectsThatAnotherRowOwnsAreNotGivenToASecond(t *testing.T) {
	shared := map[string]any{"container": "all", "service_metadata": "backup"}
	in := lines(t, with(t, recordFor(t, idFull, "", "a"), shared))
	f, b := &recordsFake{listBy: func(o client.ListOpts) ([]client.Backup, error) {
		assert.Equal(t, map[string]string{"container": "all", "service_metadata": "backup"}, o.Filters)
		assert.True(t, *o.AllProjects)
		return []client.Backup{{ID: idOther, Container: ptr("all")}}, nil
	}}, newBench()
	assert.Equal(t, 6, exitCode(runBackupImport(t.Context(), importOn(f, b, in))))
	assert.Empty(t, f.sent)
	assert.Contains(t, b.err.String(), "backup "+idOther+" owns the same objects (all)")

	f, b = &recordsFake{fake: fake{after: available(idFull)}}, newBench()
	in += lines(t, with(t, recordFor(t, idOther, "", "b"), shared))
	assert.Equal(t, 3, exitCode(runBackupImport(t.Context(), importOn(f, b, in))))
	assert.Len(t, f.sent, 1)
	assert.Contains(t, b.err.String(), "the record of "+idFull+" names the same objects")
}

// Cinder asks any living service of the class, whatever store it has.
func TestServicesThatMayTakeARecordAreToldOf(t *testing.T) {
	for _, c := range []struct {
		name string
		able []string
		err  error
		text string
	}{
		{"one", []string{"bak-a"}, nil, ""},
		{"two", []string{"bak-a", "bak-b"}, nil, "warning: services bak-a, bak-b all have driver " + posixService},
		{"none that is known", nil, nil, "no row shows which service has driver " + posixService},
		{"not for this caller", nil, driverstate.ErrForbidden, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &recordsFake{up: services("bak-a nova", "bak-b nova"), fake: fake{after: available(idFull)}}, newBench()
			f.listBy = func(o client.ListOpts) ([]client.Backup, error) {
				for _, host := range c.able {
					if o.Filters["host"] == host && o.Filters["service"] == posixService {
						return []client.Backup{{ID: "x"}}, c.err
					}
				}
				return nil, c.err
			}
			require.NoError(t, runBackupImport(t.Context(), importOn(f, b, lines(t, recordFor(t, idFull, "", "a")))))
			if c.text == "" {
				assert.NotContains(t, b.err.String(), posixService)
			} else {
				assert.Contains(t, b.err.String(), c.text)
			}
		})
	}
}

func TestATargetThatDoesNotAnswerIsAnErrorAndNotAnEmptyDatabase(t *testing.T) {
	f := &silent{recordsFake: &recordsFake{}}
	err := runBackupImport(t.Context(), importOn(f, newBench(), lines(t, recordFor(t, idFull, "", "a"))))
	assert.Equal(t, 8, exitCode(err))
	assert.Empty(t, f.sent)
}

// silent has no answer to what backups there are.
type silent struct{ *recordsFake }

func (silent) ShowBackup(context.Context, string) (client.Backup, error) {
	return client.Backup{}, driverstate.ErrUnavailable
}
