package notify

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestURLsPrintWithoutTheirPasswords(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"log:", "log:"},
		{"file:///a/b:c@d", "file:///a/b:c@d"},
		{"rabbit://u:secret@h:1/v?topic=a", "rabbit://u:***@h:1/v?topic=a"},
		{"rabbit://u:se@cret@h/", "rabbit://u:***@h/"},
		{"rabbit://u:secret@h1,v:other@h2:3/", "rabbit://u:***@h1,v:***@h2:3/"},
		{"amqp://u@h", "amqp://u@h"},
	} {
		u := URL(c.url)
		assert.Equal(t, c.want, u.String())
		assert.Equal(t, c.url != c.want, u.HasPassword(), c.url)
		assert.NotContains(t, fmt.Sprintf("%v %s %+v %#v", u, u, []URL{u}, struct{ U URL }{u}), "secret")
		assert.Equal(t, c.want, u.LogValue().String())
	}
}

func TestTransportURLsAreReadAsOsloMessagingReadsThem(t *testing.T) {
	base := AMQPConfig{
		Hosts: []AMQPHost{{"h:5672", "guest", "guest"}},
		Vhost: "/", Exchange: "openstack", Topics: []string{"notifications"}, Envelope: true,
	}
	for _, c := range []struct {
		name, url string
		change    func(*AMQPConfig)
	}{
		{"defaults", "rabbit://h", func(*AMQPConfig) {}},
		{"a slash", "rabbit://h/", func(*AMQPConfig) {}},
		{"a vhost", "rabbit://h/a%2Fb", func(c *AMQPConfig) { c.Vhost = "a/b" }},
		{"user, password, port", "amqp://u:p%40@h:1/", func(c *AMQPConfig) { c.Hosts = []AMQPHost{{"h:1", "u", "p@"}} }},
		{"two hosts", "rabbit://u:p@h:1,v@[::1]/", func(c *AMQPConfig) { c.Hosts = []AMQPHost{{"h:1", "u", "p"}, {"[::1]:5672", "v", ""}} }},
		{"exchange and topics", "rabbit://h/?exchange=cinder&topic=a&topics=b,c", func(c *AMQPConfig) {
			c.Exchange, c.Topics = "cinder", []string{"b", "c", "a"}
		}},
		{"no path", "rabbit://h?control_exchange=cinder", func(c *AMQPConfig) { c.Exchange = "cinder" }},
		{"format 1.0", "rabbit://h/?driver=messaging", func(c *AMQPConfig) { c.Envelope = false }},
		{"flags", "rabbit://h/?amqp_durable_queues=True&amqp_auto_delete=1&rabbit_quorum_queue=true", func(c *AMQPConfig) {
			c.Durable, c.Delete, c.Quorum = true, true, true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Open(URL(c.url), slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			want := base
			c.change(&want)
			assert.Equal(t, want, d.(*AMQP).config)
		})
	}
	d, err := Open("amqps://h/", nil)
	require.NoError(t, err)
	require.NotNil(t, d.(*AMQP).config.TLS)
	assert.Equal(t, "h:5671", d.(*AMQP).config.Hosts[0].Address)
}

func TestWhatCannotBePublishedToIsRefusedWithoutItsPassword(t *testing.T) {
	for _, url := range []URL{
		"", "log:x", "file:relative", "file://", "http://h/", "rabbit:///", "rabbit://u:secret@/", "rabbit://u:secret@h:port/",
		"rabbit://u:secret@h/?driver=log", "rabbit://u:secret@h/?x=1", "rabbit://u:secret@h/?ssl=perhaps",
		"rabbit://u:secret@h/?ssl=1&ssl_ca_file=/no/such", "rabbit://u:se%zzcret@h/", "rabbit://u:secret@h/%zz",
	} {
		_, err := Open(url, nil)
		if assert.Error(t, err, url) {
			assert.NotContains(t, err.Error(), "cret")
		}
	}
}
