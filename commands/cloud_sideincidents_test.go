package commands

import (
	"os"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// What is true of a stage, as the database, the store and the volumes say.

func backupIs(name, status string) func(*sideStage) bool {
	return func(st *sideStage) bool {
		return st.ask("SELECT status FROM backups WHERE deleted=0 AND id='$"+name+"'") == status
	}
}

func volumeIs(name, status string) func(*sideStage) bool {
	return func(st *sideStage) bool {
		return st.ask("SELECT status FROM volumes WHERE deleted=0 AND id='$"+name+"'") == status
	}
}

// gone: the row is deleted, and nothing is left on the store. What was never
// there is not gone.
func gone(names ...string) func(*sideStage) bool {
	return func(st *sideStage) bool {
		for _, name := range names {
			if st.ask("SELECT deleted FROM backups WHERE id='$"+name+"'") != "1" || len(st.objects(name)) > 0 {
				return false
			}
		}
		return true
	}
}

// rowGone is gone where Cinder does not know whose store to look into.
func rowGone(name string) func(*sideStage) bool {
	return func(st *sideStage) bool { return st.ask("SELECT deleted FROM backups WHERE id='$"+name+"'") == "1" }
}

func whole(name string) func(*sideStage) bool {
	return func(st *sideStage) bool { return len(st.objects(name)) == st.files[name] }
}

// restored: the volume is available, and its bytes are those of the backup.
func restored(volume, backup string) func(*sideStage) bool {
	return func(st *sideStage) bool {
		return volumeIs(volume, "available")(st) && backupIs(backup, "available")(st) && st.bytesOf(st.vars[volume]) == st.sums[backup]
	}
}

// restoredAs is restored for a new volume.
func restoredAs(name, backup string) func(*sideStage) bool {
	return func(st *sideStage) bool {
		st.vars["NEW"] = st.ask("SELECT id FROM volumes WHERE deleted=0 AND display_name='" + name + "'")
		return st.vars["NEW"] != "" && restored("NEW", backup)(st)
	}
}

func not(claim func(*sideStage) bool) func(*sideStage) bool {
	return func(st *sideStage) bool { return !claim(st) }
}

// soon gives a deletion that was accepted the time that it needs.
func soon(claim func(*sideStage) bool) func(*sideStage) bool {
	return func(st *sideStage) bool { return eventually(time.Minute, func() bool { return claim(st) }) }
}

func all(claims ...func(*sideStage) bool) func(*sideStage) bool {
	return func(st *sideStage) bool {
		for _, claim := range claims {
			if !claim(st) {
				return false
			}
		}
		return true
	}
}

// What is prepared.

func volumeWith(backups ...string) func(*sideStage) {
	return func(st *sideStage) {
		st.volume("VOL")
		for _, name := range backups {
			st.backup(name, "VOL", false)
		}
	}
}

func broken(prepare func(*sideStage), statement string) func(*sideStage) {
	return func(st *sideStage) {
		prepare(st)
		st.ask(statement)
	}
}

func emptied(st *sideStage, name string) {
	for _, file := range st.objects(name) {
		require.NoError(st.t, os.Remove(file))
	}
}

// chunkOf is the one chunk of a backup.
func chunkOf(st *sideStage, name string) string {
	for _, file := range st.objects(name) {
		if strings.HasSuffix(file, "-00001") {
			return file
		}
	}
	require.FailNow(st.t, "no chunk", name)
	return ""
}

func frozen(st *sideStage) {
	st.service("freeze", "bak-posix")
	// A process stops only when it is next scheduled.
	require.True(st.t, eventually(time.Minute, func() bool {
		state, err := st.run("service", "state", "bak-posix")
		return err == nil && strings.TrimSpace(state) == "frozen"
	}))
	st.service("lapse", "bak-posix")
}

func thawed(st *sideStage) { st.service("thaw", "bak-posix") }

// inherited: the host of the posix service is dead, and another service with
// the same store lives, alone.
func inherited(st *sideStage) {
	st.service("kill", "bak-posix")
	st.service("lapse", "bak-posix")
	heir := st.prefix + "-heir"
	st.services = append(st.services, heir)
	_, err := st.run("backup-service", "start", heir, "driver=posix", "az="+heir)
	require.NoError(st.t, err)
	st.ask("UPDATE services SET disabled=1 WHERE `binary`='cinder-backup' AND host IN ('bak-swift', 'bak-s3')")
}

func enabled(st *sideStage) {
	st.ask("UPDATE services SET disabled=0 WHERE `binary`='cinder-backup' AND host IN ('bak-swift', 'bak-s3')")
}

const rowOfChain = "SELECT id, status, parent_id, service, container, service_metadata, size, object_count, volume_id, display_name, data_timestamp, project_id FROM backups WHERE deleted=0 AND id IN ('$FULL', '$INC') ORDER BY id"

func lost(st *sideStage) {
	st.noted["rows"] = st.ask(rowOfChain)
	st.ask("DELETE FROM backups WHERE id IN ('$FULL', '$INC')")
}

func sideIncidents() []sideIncident {
	const old = ", updated_at=UTC_TIMESTAMP() - INTERVAL 3 HOUR "
	return []sideIncident{{
		title:   "Stuck in creating, its service dead",
		state:   "The backup $B is creating, its volume $VOL backing-up, and the host of its cinder-backup is dead. Another cinder-backup has the same store; the API may ask any service (`backup_use_same_host=False`).",
		noauth:  true,
		prepare: broken(volumeWith("B"), "UPDATE backups SET status='creating'"+old+"WHERE id='$B'; UPDATE volumes SET status='backing-up' WHERE id='$VOL'"),
		begin:   inherited,
		end:     enabled,
		typed: [clients][]sideStep{{
			{typed: "cinder backup-reset-state --state error $B", claim: backupIs("B", "error")},
			{typed: "cinder backup-show $B"},
			{typed: "cinder backup-delete $B", claim: gone("B")},
			{typed: "cinder backup-show $B", want: 1},
			{typed: "cinder reset-state --state available $VOL", claim: volumeIs("VOL", "available")},
		}, {
			{typed: "openstack volume backup set --state error $B", claim: backupIs("B", "error")},
			{typed: "openstack volume backup show $B"},
			{typed: "openstack volume backup delete $B", claim: gone("B")},
			{typed: "openstack volume backup show $B", want: 1},
			{typed: "openstack volume set --state available $VOL", claim: volumeIs("VOL", "available")},
		}, {
			{typed: "cinder-go backup-reset-state --state error $B", claim: backupIs("B", "error")},
			{typed: "cinder-go backup-delete --yes $B", claim: gone("B")},
			{typed: "cinder-go volume-reset-state --state available $VOL", claim: volumeIs("VOL", "available")},
		}},
		right: all(gone("B"), volumeIs("VOL", "available")),
		note:  "All get there once they know the order: reset first, delete then, and free the volume. With cinder and openstack only a second look tells that a reset or a deletion has happened; cinder-go ends when it has.",
	}, {
		title:   "Stuck in creating, the data whole",
		state:   "The backup $B is creating, yet everything of it is on the store.",
		prepare: broken(volumeWith("B"), "UPDATE backups SET status='creating'"+old+"WHERE id='$B'"),
		typed: [clients][]sideStep{{
			{typed: "cinder backup-reset-state --state available $B", claim: all(backupIs("B", "available"), whole("B"))},
			{typed: "cinder backup-show $B"},
		}, {
			{typed: "openstack volume backup set --state available $B", claim: all(backupIs("B", "available"), whole("B"))},
			{typed: "openstack volume backup show $B"},
		}, {
			{typed: "cinder-go doctor --store $STORE $B", want: 1},
			{typed: "cinder-go backup-reset-state --state available --store $STORE $B", claim: all(backupIs("B", "available"), whole("B"))},
		}},
		right: all(backupIs("B", "available"), whole("B")),
		note:  "cinder and openstack are right by luck: they cannot ask the store, and say the same of a backup that has nothing left (below). cinder-go reads the data before it asks.",
	}, {
		title: "Reset of a backup whose objects are gone",
		state: "The backup $B is in error, and its objects are gone from the store.",
		prepare: func(st *sideStage) {
			broken(volumeWith("B"), "UPDATE backups SET status='error' WHERE id='$B'")(st)
			emptied(st, "B")
		},
		typed: [clients][]sideStep{{
			{typed: "cinder backup-reset-state --state available $B", claim: all(backupIs("B", "available"), whole("B")), lies: true},
			{typed: "cinder backup-show $B"},
		}, {
			{typed: "openstack volume backup set --state available $B", claim: all(backupIs("B", "available"), whole("B")), lies: true},
			{typed: "openstack volume backup show $B"},
		}, {
			{typed: "cinder-go backup-reset-state --state available --store $STORE $B", want: 9, claim: all(backupIs("B", "available"), whole("B"))},
		}},
		right: backupIs("B", "error"),
		wrong: [clients]bool{true, true, false},
		note:  "Cinder looks at nothing, so the row now says that there is a backup. cinder-go refuses, and leaves the row in error.",
	}, {
		title: "Stuck in restoring",
		state: "A restore of $B onto the volume $TARGET never ended: the backup is restoring, the volume restoring-backup, and nobody works on them.",
		prepare: func(st *sideStage) {
			volumeWith("B")(st)
			st.volume("TARGET")
			st.ask("UPDATE backups SET status='restoring', restore_volume_id='$TARGET'" + old + "WHERE id='$B'; UPDATE volumes SET status='restoring-backup'" + old + "WHERE id='$TARGET'")
		},
		typed: [clients][]sideStep{{
			{typed: "cinder backup-reset-state --state available $B", claim: backupIs("B", "available")},
			{typed: "cinder reset-state --state available $TARGET", claim: volumeIs("TARGET", "available")},
			{typed: "cinder backup-restore --volume $TARGET $B", claim: restored("TARGET", "B")},
			{typed: "cinder show $TARGET"},
		}, {
			{typed: "openstack volume backup set --state available $B", claim: backupIs("B", "available")},
			{typed: "openstack volume set --state available $TARGET", claim: volumeIs("TARGET", "available")},
			{typed: "openstack volume backup restore --force $B $TARGET", want: 1, claim: restored("TARGET", "B"), lies: true},
			{typed: "openstack volume show $TARGET"},
		}, {
			{typed: "cinder-go backup-reset-state --state available $B", claim: backupIs("B", "available")},
			{typed: "cinder-go volume-reset-state --state available $TARGET", claim: volumeIs("TARGET", "available")},
			{typed: "cinder-go backup-restore --yes $B --volume $TARGET", claim: restored("TARGET", "B")},
		}},
		right: restored("TARGET", "B"),
		note:  "The same three steps. After a restore with cinder or openstack the volume must be looked at, for the backup says available also when it failed. openstack 6.0.0 ends every restore that was accepted with an error of its own (`cannot unpack non-iterable VolumeBackupsRestore object`) and exit 1.",
	}, {
		title: "Three in error_deleting, one with a dependent",
		state: "The backups $ONE, $TWO and $BASE are error_deleting; the increment $INC stands on $BASE.",
		prepare: func(st *sideStage) {
			volumeWith("ONE", "TWO")(st)
			// Of backups of the same second Cinder would take any for the parent.
			st.volume("OTHER")
			st.backup("BASE", "OTHER", false)
			st.backup("INC", "OTHER", true)
			st.ask("UPDATE backups SET status='error_deleting' WHERE id IN ('$ONE', '$TWO', '$BASE')")
		},
		typed: [clients][]sideStep{{
			{typed: "cinder backup-delete --force $ONE $TWO $BASE", claim: gone("ONE", "TWO", "BASE"), lies: true},
			{typed: "cinder backup-list"},
		}, {
			{typed: "openstack volume backup delete --force $ONE $TWO $BASE", want: 1, claim: gone("ONE", "TWO", "BASE")},
			{typed: "openstack volume backup list"},
		}, {
			{typed: "cinder-go backup-force-delete --yes $ONE $TWO $BASE", want: 3, claim: gone("ONE", "TWO", "BASE")},
		}},
		right: all(soon(gone("ONE", "TWO")), not(gone("BASE")), whole("BASE"), whole("INC"), backupIs("INC", "available")),
		note:  "In the project of the chain Cinder itself refuses the base. cinder ends with 0 although one of three was refused; openstack ends with 1 without waiting for the other two.",
	}, {
		title:   "No service ever took it",
		state:   "The backup $B is creating, and its row names neither service nor host.",
		prepare: broken(volumeWith("B"), "UPDATE backups SET status='creating', service=NULL, host=NULL"+old+"WHERE id='$B'"),
		typed: [clients][]sideStep{{
			{typed: "cinder backup-reset-state --state error $B", claim: backupIs("B", "error"), lies: true},
			{typed: "cinder backup-show $B"},
			{typed: "cinder backup-delete --force $B", claim: rowGone("B")},
			{typed: "cinder backup-show $B", want: 1},
		}, {
			{typed: "openstack volume backup set --state error $B", claim: backupIs("B", "error"), lies: true},
			{typed: "openstack volume backup show $B"},
			{typed: "openstack volume backup delete --force $B", claim: rowGone("B")},
			{typed: "openstack volume backup show $B", want: 1},
		}, {
			{typed: "cinder-go backup-reset-state --state error $B", want: 4, claim: backupIs("B", "error")},
			{typed: "cinder-go backup-force-delete --yes $B", claim: rowGone("B")},
		}},
		right: rowGone("B"),
		note:  "Cinder accepts the reset and does nothing. cinder-go says so with exit 4, why, and that a forced deletion helps.",
	}, {
		title:   "Force delete, and the host hangs",
		state:   "The process of the row's host is frozen. After the first command it comes back.",
		prepare: volumeWith("B"),
		typed: [clients][]sideStep{{
			{typed: "cinder backup-delete --force $B", want: 1, claim: gone("B"), first: frozen},
			{typed: "cinder backup-delete --force $B", claim: gone("B"), first: thawed},
			{typed: "cinder backup-show $B", want: 1},
		}, {
			{typed: "openstack volume backup delete --force $B", want: 1, claim: gone("B"), first: frozen},
			{typed: "openstack volume backup delete --force $B", claim: gone("B"), first: thawed},
			{typed: "openstack volume backup show $B", want: 1},
		}, {
			{typed: "cinder-go backup-force-delete --yes $B", want: 8, claim: gone("B"), first: frozen},
			{typed: "cinder-go backup-force-delete --yes $B", claim: gone("B"), first: thawed},
		}},
		right: gone("B"),
		note:  "The first command is what counts. cinder and openstack hang until Cinder's RPC call times out (20 s in this cloud, 60 s by default) and tell of HTTP 500. cinder-go looks at the services first and says that the host is down, and what to do.",
	}, {
		title: "An admin deletes the base of a tenant's chain",
		state: "The tenant's backups are $BASE and an increment $INC on it. The admin of another project cleans up and types the id of $BASE.",
		prepare: func(st *sideStage) {
			st.as(func(string, string) {}, "demo")
			volumeWith("BASE")(st)
			st.backup("INC", "VOL", true)
			st.as(func(string, string) {}, "admin")
		},
		typed: [clients][]sideStep{{
			{typed: "cinder backup-delete --force $BASE", claim: all(gone("BASE"), not(backupIs("INC", "available"))), lies: true},
		}, {
			{typed: "openstack volume backup delete --force $BASE", claim: all(gone("BASE"), not(backupIs("INC", "available"))), lies: true},
		}, {
			{typed: "cinder-go backup-force-delete --yes $BASE", want: 6, claim: gone("BASE")},
		}},
		right: all(backupIs("BASE", "available"), whole("BASE"), backupIs("INC", "available"), whole("INC")),
		wrong: [clients]bool{true, true, false},
		note:  "Cinder looks for dependents in the admin's project only, and deletes the base. The tenant's increment goes on to say available, and cannot be restored by anybody. cinder-go asks in every project, names what stands on it, and shows the command for when it is really meant (`--cascade`).",
	}, {
		title: "The rows are lost, and come back from records",
		state: "A full backup $FULL and an increment $INC; their records are exported. Then the rows are lost.",
		prepare: func(st *sideStage) {
			volumeWith("FULL")(st)
			st.scribble("VOL")
			st.backup("INC", "VOL", true)
		},
		typed: [clients][]sideStep{{
			{typed: "cinder backup-export $FULL", keep: map[string]string{"SERVICE": `backup_service\s*\|\s*(\S+)`, "URL1": `backup_url\s*\|\s*(\S+)`}},
			{typed: "cinder backup-export $INC", keep: map[string]string{"URL2": `backup_url\s*\|\s*(\S+)`}},
			{typed: "cinder backup-import $SERVICE $URL1", claim: backupIs("FULL", "available"), first: lost},
			{typed: "cinder backup-import $SERVICE $URL2", claim: backupIs("INC", "available")},
			{typed: "cinder backup-list"},
		}, {
			{typed: "openstack volume backup record export $FULL", keep: map[string]string{"SERVICE": `Backup Service\s*\|\s*(\S+)`, "URL1": `Metadata\s*\|\s*(\S+)`}},
			{typed: "openstack volume backup record export $INC", keep: map[string]string{"URL2": `Metadata\s*\|\s*(\S+)`}},
			{typed: "openstack volume backup record import $SERVICE $URL1", claim: backupIs("FULL", "available"), first: lost},
			{typed: "openstack volume backup record import $SERVICE $URL2", claim: backupIs("INC", "available")},
			{typed: "openstack volume backup list"},
		}, {
			{typed: "cinder-go backup-export --output records/ $FULL $INC"},
			{typed: "cinder-go backup-import --from records", claim: all(backupIs("FULL", "available"), backupIs("INC", "available")), first: lost},
		}},
		right: func(st *sideStage) bool { return st.ask(rowOfChain) == st.noted["rows"] },
		note:  "With cinder and openstack two commands for each backup, its record copied by hand from a table, and the order is up to the operator. cinder-go takes a directory of any size, sorts it, and waits.",
	}, {
		title:   "A mistyped id",
		state:   "Of two backups to delete, $B is there and $ABSENT is not.",
		prepare: volumeWith("B"),
		typed: [clients][]sideStep{{
			{typed: "cinder backup-delete $B $ABSENT", claim: gone("B", "ABSENT"), lies: true},
		}, {
			{typed: "openstack volume backup delete $B $ABSENT", want: 1, claim: gone("B", "ABSENT")},
		}, {
			{typed: "cinder-go backup-delete --yes $B $ABSENT", want: 3, claim: gone("B", "ABSENT")},
		}},
		right: soon(gone("B")),
		note:  "cinder ends with 0, as it does whenever not everything failed.",
	}, {
		title:   "A restore with a chunk missing",
		state:   "A chunk of $B is gone from the store.",
		prepare: func(st *sideStage) { volumeWith("B")(st); require.NoError(st.t, os.Remove(chunkOf(st, "B"))) },
		typed: [clients][]sideStep{{
			{typed: "cinder backup-restore $B --name $U-again", claim: restoredAs("$U-again", "B"), lies: true},
			{typed: "cinder show $U-again"},
		}, {
			{typed: "openstack volume backup restore $B $U-again", want: 1, claim: restoredAs("$U-again", "B")},
			{typed: "openstack volume show $U-again"},
		}, {
			{typed: "cinder-go backup-restore $B --name $U-again", want: 4, claim: restoredAs("$U-again", "B")},
			{typed: "cinder-go backup-restore $B --name $U-second --store $STORE", want: 9, claim: restoredAs("$U-second", "B")},
		}},
		right: func(st *sideStage) bool {
			return st.ask("SELECT COUNT(*) FROM volumes WHERE deleted=0 AND status='available' AND display_name LIKE '$U-%' AND id<>'$VOL'") == "0"
		},
		note: "Only the volume shows that it failed, and only to those who look. openstack's exit 1 is that of every restore, the good ones too. cinder-go follows the volume; with `--store` it reads the data first, and makes no volume.",
	}, {
		title: "A restore with a byte changed",
		state: "One byte of a chunk of $B that is stored uncompressed is another.",
		prepare: func(st *sideStage) {
			volumeWith("B")(st)
			bytes, err := os.ReadFile(chunkOf(st, "B"))
			require.NoError(st.t, err)
			require.Len(st.t, bytes, sideBytes, "noise is stored as it is")
			bytes[1000]++
			require.NoError(st.t, os.WriteFile(chunkOf(st, "B"), bytes, 0o644))
		},
		typed: [clients][]sideStep{{
			{typed: "cinder backup-restore $B --name $U-again", claim: restoredAs("$U-again", "B"), lies: true},
			{typed: "cinder show $U-again"},
		}, {
			{typed: "openstack volume backup restore $B $U-again", want: 1, claim: restoredAs("$U-again", "B")},
			{typed: "openstack volume show $U-again"},
		}, {
			{typed: "cinder-go backup-restore $B --name $U-again --store $STORE", want: 9, claim: restoredAs("$U-again", "B")},
		}},
		right: func(st *sideStage) bool {
			return st.ask("SELECT COUNT(*) FROM volumes WHERE deleted=0 AND status='available' AND display_name LIKE '$U-%' AND id<>'$VOL'") == "0"
		},
		wrong: [clients]bool{true, true, false},
		note:  "Cinder compares no checksum when it restores: the volume is available, and its bytes are wrong. Without `--store` cinder-go would end with 0 as well, since the bytes never pass through it. openstack's exit 1 is that of every restore.",
	}}
}
