package clouds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// errNotRenewable: the server wants another token, and there is none.
var errNotRenewable = errors.New("the token that was given has expired or is not valid here, and cannot be renewed: " +
	"get another, or give a password or an application credential")

func notRenewable(context.Context) error { return errNotRenewable }

// renewal is how a client gets another token when its own has expired: by
// logging in again. A token that was given cannot be renewed with itself.
func renewal(a *gophercloud.AuthOptions, login func(context.Context) error) func(context.Context) error {
	if login == nil {
		return notRenewable
	}
	return func(ctx context.Context) error {
		if err := login(ctx); err != nil {
			return loginError(a, err)
		}
		return nil
	}
}

// loginError says whose login failed, where, and what to look at.
func loginError(a *gophercloud.AuthOptions, err error) error {
	who := a.Username
	switch {
	case a.TokenID != "":
		who = "the token given"
	case a.ApplicationCredentialID != "" || a.ApplicationCredentialName != "":
		who = "application credential " + a.ApplicationCredentialID + a.ApplicationCredentialName
	case who == "":
		who = a.UserID
	}
	text, hint := err.Error(), ""
	if sent := (*url.Error)(nil); errors.As(err, &sent) {
		text = sent.Err.Error() // the URL is told below
	}
	var answer gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &answer) {
		text = strings.ToLower(http.StatusText(answer.Actual))
		switch {
		case answer.Actual == http.StatusUnauthorized, answer.Actual == http.StatusNotFound && fromKeystone(answer.Body):
			text, hint = "refused", "check the password or secret, the project, and the domains of both"
			switch {
			case a.TokenID != "":
				hint = "it may have expired: get another"
			case answer.Actual == http.StatusNotFound:
				hint = "it may have expired or been deleted: make another"
			}
		case answer.Actual == http.StatusNotFound:
			hint = "does the authentication URL lead to Keystone, such as https://cloud:5000/v3?"
		}
	}
	text = fmt.Sprintf("login of %s at %s: %s", who, a.IdentityEndpoint, text)
	if hint != "" {
		text += "; " + hint
	}
	return &loginFailure{text: text, err: err}
}

// fromKeystone tells an error of Keystone, which answers 404 for a token or an
// application credential that it does not know, from one of another server.
func fromKeystone(body []byte) bool {
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	return json.Unmarshal(body, &answer) == nil && answer.Error.Message != ""
}

// loginFailure replaces gophercloud's text, which has the whole answer in it.
type loginFailure struct {
	text string
	err  error
}

func (e *loginFailure) Error() string { return e.text }
func (e *loginFailure) Unwrap() error { return e.err }
