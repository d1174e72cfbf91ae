package driverstate

// Record is an export record, decoded: what backup_url carries
// (contract/store.md section 5).
type Record struct {
	Backup Backup
	// DriverInfo is the driver's own part; empty for every driver in Cinder's tree.
	DriverInfo map[string]any
}
