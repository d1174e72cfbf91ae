/*
Package workers asks the Block Storage service to clean up what dead services
left behind. Only volumes and snapshots are cleaned up, never backups.

NOTE: Requires at least microversion 3.24.

Example to clean up after the volume services of a host

	client.Microversion = "3.24"

	services, err := workers.Cleanup(context.TODO(), client, workers.CleanupOpts{
		Host:   "node1",
		Binary: "cinder-volume",
	}).Extract()
	if err != nil {
		panic(err)
	}

	for _, service := range services.Cleaning {
		fmt.Println("being cleaned up:", service.Host)
	}
	for _, service := range services.Unavailable {
		fmt.Println("its own restart will clean up:", service.Host)
	}
*/
package workers
