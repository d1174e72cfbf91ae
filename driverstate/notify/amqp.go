package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Times of the broker.
const (
	dialTimeout    = 10 * time.Second
	publishTimeout = 20 * time.Second // of one message, connecting included
	heartbeat      = 10 * time.Second
)

// AMQPConfig says where and how to publish. Its names are oslo.messaging's and
// Cinder's.
type AMQPConfig struct {
	Hosts    []AMQPHost // tried in turn
	Vhost    string
	Exchange string   // control_exchange
	Topics   []string // of [oslo_messaging_notifications]; each gets every message
	Envelope bool     // message format 2.0 (driver messagingv2), else 1.0 (messaging)
	Durable  bool     // amqp_durable_queues
	Delete   bool     // amqp_auto_delete
	Quorum   bool     // rabbit_quorum_queue
	TLS      *tls.Config
}

// AMQPHost is one broker of a cluster.
type AMQPHost struct{ Address, User, Password string }

// AMQP is the driver that publishes to RabbitMQ as oslo.messaging's notification
// drivers do (oslo_messaging/_drivers/impl_rabbit.py notify_send): to a topic
// exchange, with the routing key topic.priority, and after a queue of that name
// was bound, so that nothing is lost before the first consumer comes.
type AMQP struct {
	config   AMQPConfig
	next     int // of the hosts
	socket   net.Conn
	guards   []func() bool
	conn     *amqp.Connection
	channel  *amqp.Channel
	returned chan amqp.Return
	declared map[string]bool // routing keys whose queue is known to be there
}

// NewAMQP returns one; it connects when there is something to publish.
func NewAMQP(c AMQPConfig) *AMQP { return &AMQP{config: c} }

// Kind is amqp.
func (*AMQP) Kind() string { return "amqp" }

// Publish sends m to every topic and waits until the broker has it.
func (d *AMQP) Publish(ctx context.Context, m *Message) error {
	encode := m.encode
	if d.config.Envelope {
		encode = m.encodeV2
	}
	body, err := encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	d.guard(ctx)
	defer d.unguard()
	for _, topic := range d.config.Topics {
		if err := d.send(ctx, topic+"."+strings.ToLower(string(m.Priority)), body); err != nil {
			d.disconnect()
			return err
		}
	}
	return nil
}

func (d *AMQP) send(ctx context.Context, key string, body []byte) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	if err := d.declare(key); err != nil {
		return err
	}
	// Properties as kombu's: see testdata/notify.
	confirmation, err := d.channel.PublishWithDeferredConfirmWithContext(ctx, d.config.Exchange, key, true, false, amqp.Publishing{
		ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Persistent, Headers: amqp.Table{}, Body: body,
	})
	if err != nil {
		return err
	}
	acked, err := confirmation.WaitContext(ctx)
	if err != nil {
		return err
	}
	select {
	case back := <-d.returned: // told before the confirmation
		return fmt.Errorf("the broker has no queue for %s: %s", key, back.ReplyText)
	default:
	}
	if !acked {
		return errors.New("the broker did not take the message")
	}
	return nil
}

// connect leaves a channel in confirm mode, unless there is one.
func (d *AMQP) connect(ctx context.Context) error {
	if d.channel != nil && !d.channel.IsClosed() {
		return nil
	}
	d.disconnect()
	host := d.config.Hosts[d.next%len(d.config.Hosts)]
	d.next++
	secure := d.config.TLS
	scheme := "amqp"
	if secure != nil {
		scheme, secure = "amqps", secure.Clone()
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("cinder-go notifications")
	conn, err := amqp.DialConfig(scheme+"://"+host.Address+"/", amqp.Config{
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: host.User, Password: host.Password}}, Vhost: d.config.Vhost,
		Heartbeat: heartbeat, TLSClientConfig: secure, Properties: properties, Locale: "en_US",
		Dial: func(network, address string) (net.Conn, error) { return d.dial(ctx, network, address) },
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", host.Address, err)
	}
	d.conn, d.declared = conn, map[string]bool{}
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	d.channel = channel
	if err := channel.Confirm(false); err != nil {
		return err
	}
	d.returned = channel.NotifyReturn(make(chan amqp.Return, 1))
	return channel.ExchangeDeclare(d.config.Exchange, amqp.ExchangeTopic, d.durable(), d.config.Delete, false, false, nil)
}

// dial bounds the handshake too; the library lifts the deadline after it.
func (d *AMQP) dial(ctx context.Context, network, address string) (net.Conn, error) {
	socket, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.socket = socket
	d.guard(ctx)
	return socket, socket.SetDeadline(time.Now().Add(dialTimeout))
}

// guard closes the socket when ctx ends, until unguard: calls of the AMQP
// library know no context, and end with their connection.
func (d *AMQP) guard(ctx context.Context) {
	if socket := d.socket; socket != nil {
		d.guards = append(d.guards, context.AfterFunc(ctx, func() { socket.Close() }))
	}
}

func (d *AMQP) unguard() {
	for _, stop := range d.guards {
		stop()
	}
	d.guards = nil
}

func (d *AMQP) declare(key string) error {
	if d.declared[key] {
		return nil
	}
	var arguments amqp.Table
	if d.config.Quorum {
		arguments = amqp.Table{"x-queue-type": "quorum"}
	}
	if _, err := d.channel.QueueDeclare(key, d.durable(), d.config.Delete, false, false, arguments); err != nil {
		var refused *amqp.Error
		if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
			return fmt.Errorf("queue %s is there with other properties; say amqp_durable_queues, amqp_auto_delete or rabbit_quorum_queue as its consumers do: %w", key, err)
		}
		return err
	}
	if err := d.channel.QueueBind(key, key, d.config.Exchange, false, nil); err != nil {
		return err
	}
	d.declared[key] = true
	return nil
}

// durable holds for the exchange and its queues; a quorum queue always is.
func (d *AMQP) durable() bool { return d.config.Durable || d.config.Quorum }

func (d *AMQP) disconnect() {
	if d.conn != nil {
		d.conn.CloseDeadline(time.Now().Add(time.Second)) // it may be gone already
	}
	d.conn, d.channel, d.socket = nil, nil, nil
}

// Close ends the connection.
func (d *AMQP) Close() error {
	d.disconnect()
	return nil
}
