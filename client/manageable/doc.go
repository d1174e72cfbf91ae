/*
Package manageable speaks of what is on a back end of the Block Storage service
without a row in its database: backups found in the backup store, files and
devices that can be taken for volumes, and looks at whether the data of a
backup is sound.

Managing a volume is Cinder's own call, from microversion 3.8; its size and
overwrite options, and all calls for backups and verifications, are answered by
cinder-go's engine only.

Example to take every sound backup of the store under management

	pages, err := manageable.ListBackups(context.TODO(), client, manageable.ListBackupsOpts{}).Extract()
	if err != nil {
		panic(err)
	}

	for _, backup := range pages {
		if backup.Condition != "whole" || backup.Managed {
			continue
		}
		err := manageable.ManageBackup(context.TODO(), client, manageable.ManageBackupOpts{ID: backup.ID}).Err
		if err != nil {
			panic(err)
		}
	}

Example to prove a backup

	verification, err := manageable.CreateVerification(context.TODO(), client, manageable.CreateVerificationOpts{
		BackupIDs: []string{backupID},
		Depth:     "data",
	}).Extract()
	if err != nil {
		panic(err)
	}

	verification, err = manageable.GetVerification(context.TODO(), client, verification.ID).Extract()
	if err != nil {
		panic(err)
	}
	fmt.Println(verification.Status, verification.Condition)
*/
package manageable
