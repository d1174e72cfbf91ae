package workers

import "github.com/gophercloud/gophercloud/v2"

// Service is a service whose work is to be cleaned up.
type Service struct {
	// ID is the number of the service's row.
	ID int64 `json:"id"`

	// Host is the host of the service, with its back end if it has one.
	Host string `json:"host"`

	// Binary is the name of the service, such as cinder-volume.
	Binary string `json:"binary"`

	// ClusterName is the cluster of the service; nil when it is in none.
	ClusterName *string `json:"cluster_name"`
}

// Services is the answer to a cleanup.
type Services struct {
	// Cleaning are the services that are being cleaned up after.
	Cleaning []Service `json:"cleaning"`

	// Unavailable are those that no other service can clean up after.
	Unavailable []Service `json:"unavailable"`
}

// CleanupResult is the response of a Cleanup request. Call its Extract method
// to interpret it.
type CleanupResult struct {
	gophercloud.Result
}

// Extract gets the services out of the CleanupResult.
func (r CleanupResult) Extract() (*Services, error) {
	var s Services
	err := r.ExtractInto(&s)
	return &s, err
}
