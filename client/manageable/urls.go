package manageable

import (
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

func backupsURL(c *gophercloud.ServiceClient) string {
	return c.ServiceURL("manageable_backups")
}

func volumesURL(c *gophercloud.ServiceClient) string {
	return c.ServiceURL("manageable_volumes")
}

func verificationsURL(c *gophercloud.ServiceClient) string {
	return c.ServiceURL("verifications")
}

func verificationURL(c *gophercloud.ServiceClient, id string) string {
	return c.ServiceURL("verifications", url.PathEscape(id))
}

func examinationsURL(c *gophercloud.ServiceClient) string {
	return c.ServiceURL("examinations")
}
