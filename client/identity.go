package client

import (
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Identity says who a client is for the server. What is not known is empty.
type Identity struct {
	User, UserID       string
	Project, ProjectID string
	Endpoint           string // of the API
}

// Identity returns who c is, as the login said; it sends nothing.
func (c *Client) Identity() Identity {
	id := Identity{Endpoint: c.sc.Endpoint}
	login, ok := c.sc.GetAuthResult().(interface {
		ExtractUser() (*tokens.User, error)
		ExtractProject() (*tokens.Project, error)
	})
	if !ok { // noauth: the token is user:project
		id.User, id.ProjectID, _ = strings.Cut(c.sc.Token(), ":")
		return id
	}
	if u, err := login.ExtractUser(); err == nil && u != nil {
		id.User, id.UserID = u.Name, u.ID
	}
	if p, err := login.ExtractProject(); err == nil && p != nil {
		id.Project, id.ProjectID = p.Name, p.ID
	}
	return id
}
