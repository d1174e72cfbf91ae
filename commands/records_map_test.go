package commands

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
)

func TestMapIsParsed(t *testing.T) {
	m, err := parseRecordMap([]string{"project=a:b,az=x:y", `name=old\:1\,2:new`, "host=:bak", "az=z:"})
	require.NoError(t, err)
	require.Len(t, m, 5)
	assert.Equal(t, mapping{field: "name", from: "old:1,2", to: "new"}, *m[2])
	assert.Equal(t, mapping{field: "host", to: "bak"}, *m[3])
	assert.Equal(t, mapping{field: "az", from: "z"}, *m[4])
	for _, bad := range []string{"", "az", "az=", "az=a", "az=a:b:c", "volume=a:b", "az=a:a", "az=a:b,az=a:c", "project=a:b,"} {
		_, err := parseRecordMap([]string{bad})
		assert.Equal(t, 2, exitCode(err), bad)
	}
}

func TestMapRewritesTheRecordsThatHaveTheValue(t *testing.T) {
	m, err := parseRecordMap([]string{"az=az1:az2,az=az2:az3", "container=:vault", "host=x:y"})
	require.NoError(t, err)
	record := map[string]any{"availability_zone": "az1", "container": nil, "host": "z"}
	assert.Equal(t, []string{`az "az1" became "az2"`, `container "" became "vault"`}, m.apply(record))
	assert.Equal(t, map[string]any{"availability_zone": "az2", "container": "vault", "host": "z"}, record, "and az2 not further to az3")
	assert.Equal(t, []string{"az2"}, m.targets("az"))
	assert.Empty(t, m.targets("host"))
}

func TestMapOfTheServiceChangesBothPlaces(t *testing.T) {
	const nfs = "cinder.backup.drivers.nfs.NFSBackupDriver"
	f, b := &recordsFake{fake: fake{after: available(idFull)}}, newBench()
	o := importOn(f, b, lines(t, recordFor(t, idFull, "", "a")))
	var err error
	o.maps, err = parseRecordMap([]string{"service=" + posixService + ":" + nfs + ",name=a:b,host=nobody:x"})
	require.NoError(t, err)
	require.NoError(t, runBackupImport(t.Context(), o))
	require.Len(t, f.sent, 1)
	assert.Equal(t, nfs, f.sent[0].Backup.Service)
	assert.Equal(t, "b", *f.sent[0].Backup.Name)
	assert.Contains(t, b.err.String(), "--map host=nobody:x: no record has this value")
	assert.Contains(t, b.out.String(), `imported; service "`+posixService+`" became "`+nfs+`"; name "a" became "b"`)
}

// Cinder drops the owner of a record.
func TestMapOfAnOwnerIsRefusedWhereItCannotTakeEffect(t *testing.T) {
	for _, c := range []struct {
		name, mapped string
		engine       bool
		code         int
		text         string
	}{
		{"another project", "project=" + ownProject + ":" + tenant, false, 2, "Cinder gives every imported backup to the project that imports, which is " + ownProject},
		{"the importer's", "project=" + tenant + ":" + ownProject, false, 0, ""},
		{"another user", "user=u-admin:u-demo", false, 2, "to the user that imports, which is u-admin and not u-demo"},
		{"an engine keeps it", "project=" + ownProject + ":" + tenant, true, 0, ""},
		{"a zone without a service", "az=:az9", false, 8, `no cinder-backup is up for az "az9"`},
		{"a zone with one", "az=:nova", false, 0, ""},
		{"a host that is none", "host=:bak-x", false, 8, `no cinder-backup is up for host "bak-x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &recordsFake{engine: c.engine, fake: fake{after: available(idFull, idOther)}}, newBench()
			foreign := with(t, recordFor(t, idOther, "", "b"), map[string]any{"project_id": tenant})
			o := importOn(f, b, lines(t, recordFor(t, idFull, "", "a"), foreign))
			var err error
			o.maps, err = parseRecordMap([]string{c.mapped})
			require.NoError(t, err)
			err = runBackupImport(t.Context(), o)
			assert.Equal(t, c.code, exitCode(err))
			if c.code != 0 {
				assert.ErrorContains(t, err, c.text)
				assert.Empty(t, f.sent)
			}
		})
	}
}

func TestRecordsOfOneProjectAreImportedWithItsScope(t *testing.T) {
	foreign := with(t, recordFor(t, idOther, "", "b"), map[string]any{"project_id": tenant})
	in := lines(t, recordFor(t, idFull, "", "a"), foreign)

	f, b := &recordsFake{fake: fake{after: available(idFull, idOther)}}, newBench()
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, in)))
	assert.Contains(t, b.err.String(), "warning: 1 backup of project "+tenant+" will belong to project "+ownProject)
	assert.Contains(t, b.err.String(), "cinder-go --os-project-id "+tenant+" backup-import --project "+tenant)

	f, b = &recordsFake{fake: fake{after: available(idFull)}}, newBench()
	o := importOn(f, b, in)
	o.project = ownProject
	require.NoError(t, runBackupImport(t.Context(), o))
	assert.Len(t, f.sent, 1)
	assert.Contains(t, b.err.String(), "1 record of other projects left out")
	assert.NotContains(t, b.err.String(), "will belong")

	f, b = &recordsFake{engine: true, fake: fake{after: map[string]client.Backup{
		idOther: {ID: idOther, Status: "available", ProjectID: ownProject}, idFull: available(idFull)[idFull]}}}, newBench()
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, in)))
	assert.NotContains(t, b.err.String(), "will belong")
	assert.Contains(t, b.err.String(), "backup "+idOther+": belongs to project "+ownProject+" and not to "+tenant)
}
