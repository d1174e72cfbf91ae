package workers

import "github.com/gophercloud/gophercloud/v2"

func cleanupURL(c *gophercloud.ServiceClient) string {
	return c.ServiceURL("workers", "cleanup")
}
