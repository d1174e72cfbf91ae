package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// broker returns the address of a real RabbitMQ, such as testdata/rabbit/up
// starts.
func broker(t *testing.T) string {
	t.Helper()
	address := os.Getenv("CINDER_GO_AMQP")
	if address != "" {
		return address
	}
	if os.Getenv("CINDER_GO_REQUIRE_AMQP") != "" {
		t.Fatal("CINDER_GO_AMQP names no RabbitMQ: export CINDER_GO_AMQP=$(testdata/rabbit/up)")
	}
	t.Skip("no RabbitMQ: export CINDER_GO_AMQP=$(testdata/rabbit/up)")
	return ""
}

// place is an exchange and a topic of a test's own.
func place(t *testing.T) (exchange, topic string, channel *amqp.Channel) {
	t.Helper()
	conn, err := amqp.Dial(broker(t))
	require.NoError(t, err)
	channel, err = conn.Channel()
	require.NoError(t, err)
	name := "cinder-go-test-" + uuid.NewString()
	t.Cleanup(func() {
		cleaner, err := conn.Channel() // the test's may have been closed by an error
		require.NoError(t, err)
		for _, priority := range []string{"info", "error"} {
			_, err := cleaner.QueueDelete(name+"."+priority, false, false, false)
			assert.NoError(t, err)
		}
		assert.NoError(t, cleaner.ExchangeDelete(name, false, false))
		assert.NoError(t, conn.Close())
	})
	return name, name, channel
}

func openAMQP(t *testing.T, address, options string) Driver {
	t.Helper()
	d, err := Open(URL(address+"?"+options), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

// next takes one message off a queue.
func next(t *testing.T, channel *amqp.Channel, queue string) amqp.Delivery {
	t.Helper()
	var m amqp.Delivery
	require.Eventually(t, func() bool {
		got, ok, err := channel.Get(queue, true)
		require.NoError(t, err)
		m = got
		return ok
	}, wait, tick)
	return m
}

// recorded is a message that a real Cinder published.
type recorded struct {
	Exchange   string `json:"exchange"`
	RoutingKey string `json:"routing_key"`
	Version    string `json:"version"`
	Properties struct {
		ContentType     string         `json:"content_type"`
		ContentEncoding string         `json:"content_encoding"`
		Headers         map[string]any `json:"application_headers"`
		DeliveryMode    uint8          `json:"delivery_mode"`
		Priority        uint8          `json:"priority"`
	} `json:"properties"`
	Message map[string]any `json:"message"`
}

func readRecorded(t *testing.T) recorded {
	t.Helper()
	file, err := os.Open("../../testdata/notify/cinder-21.3.1.jsonl")
	require.NoError(t, err)
	defer file.Close()
	var r recorded
	require.NoError(t, json.NewDecoder(file).Decode(&r))
	return r
}

func TestAMQPMessagesLookLikeThoseOfARealCinder(t *testing.T) {
	exchange, topic, channel := place(t)
	real := readRecorded(t)
	require.Equal(t, "openstack", real.Exchange, "our default")
	require.Equal(t, "notifications.info", real.RoutingKey, "our default")
	d := openAMQP(t, broker(t), "exchange="+exchange+"&topic="+topic)
	m := message(1)
	m.Request.GlobalID = "req-2"
	require.NoError(t, d.Publish(t.Context(), m.withID()))
	m.Priority = Error
	require.NoError(t, d.Publish(t.Context(), m.withID()))

	got := next(t, channel, topic+".info")
	assert.Equal(t, exchange, got.Exchange)
	assert.Equal(t, topic+".info", got.RoutingKey)
	assert.Equal(t, real.Properties.ContentType, got.ContentType)
	assert.Equal(t, real.Properties.ContentEncoding, got.ContentEncoding)
	assert.Equal(t, real.Properties.DeliveryMode, got.DeliveryMode)
	assert.Equal(t, real.Properties.Priority, got.Priority)
	assert.Equal(t, len(real.Properties.Headers), len(got.Headers))
	var outer map[string]string
	require.NoError(t, json.Unmarshal(got.Body, &outer))
	assert.Len(t, outer, 2)
	assert.Equal(t, real.Version, outer["oslo.version"])
	var inner map[string]any
	require.NoError(t, json.Unmarshal([]byte(outer["oslo.message"]), &inner))
	for key, value := range inner {
		require.Contains(t, real.Message, key)
		assert.IsType(t, real.Message[key], value, key)
	}
	for key := range real.Message {
		if !strings.HasPrefix(key, "_context_") {
			assert.Contains(t, inner, key)
		}
	}
	stamp, err := time.Parse("2006-01-02 15:04:05.000000", inner["timestamp"].(string))
	require.NoError(t, err)
	_, err = time.Parse("2006-01-02 15:04:05.000000", real.Message["timestamp"].(string))
	require.NoError(t, err, "Cinder's has the same form")
	assert.True(t, stamp.Equal(m.Time.Truncate(time.Microsecond)))
	assert.Len(t, inner["_unique_id"], len(real.Message["_unique_id"].(string)))
	assert.Equal(t, topic+".error", next(t, channel, topic+".error").RoutingKey)
}

func TestAMQPDeclaresWhatOsloMessagingDeclares(t *testing.T) {
	exchange, topic, channel := place(t)
	d := openAMQP(t, broker(t), "exchange="+exchange+"&topic="+topic)
	m := message(1)
	require.NoError(t, d.Publish(t.Context(), m.withID()))
	// The same declaration succeeds, any other is refused by the broker.
	require.NoError(t, channel.ExchangeDeclare(exchange, "topic", false, false, false, false, nil))
	q, err := channel.QueueDeclare(topic+".info", false, false, false, false, nil)
	require.NoError(t, err)
	assert.Equal(t, 1, q.Messages)

	durable := openAMQP(t, broker(t), "amqp_durable_queues=true&exchange="+exchange+"&topic="+topic)
	require.ErrorContains(t, durable.Publish(t.Context(), m.withID()), "PRECONDITION_FAILED")
}

func TestAMQPMakesAQueueAgainThatSomebodyDeleted(t *testing.T) {
	exchange, topic, channel := place(t)
	n := New(t.Context(), []Driver{openAMQP(t, broker(t), "exchange="+exchange+"&topic="+topic)}, Options{FirstRetry: time.Millisecond})
	n.Send(message(1))
	require.Eventually(t, func() bool { return n.Stats()[0].Sent == 1 }, wait, tick)
	next(t, channel, topic+".info")
	_, err := channel.QueueDelete(topic+".info", false, false, false)
	require.NoError(t, err)
	n.Send(message(2))
	require.Eventually(t, func() bool { return n.Stats()[0].Sent == 2 }, wait, tick)
	assert.Contains(t, string(next(t, channel, topic+".info").Body), "backup.test.2")
	require.NoError(t, n.Close())
}

func TestAMQPTellsWhyNobodyIsLetIn(t *testing.T) {
	parsed, err := amqp.ParseURI(broker(t))
	require.NoError(t, err)
	d := openAMQP(t, "amqp://nobody:s3cret@"+net.JoinHostPort(parsed.Host, strconv.Itoa(parsed.Port))+"/", "")
	m := message(1)
	err = d.Publish(t.Context(), m.withID())
	require.ErrorContains(t, err, "not allowed")
	assert.NotContains(t, err.Error(), "s3cret")
}

// relay stands between a driver and the broker and can be cut.
type relay struct {
	address, to string
	mu          sync.Mutex
	listener    net.Listener
	open        []net.Conn
	wg          sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	r := &relay{to: to}
	// A socket that is bound and does not listen refuses connections, and keeps
	// the port from becoming anybody else's.
	held, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	unix.CloseOnExec(held)
	t.Cleanup(func() { assert.NoError(t, unix.Close(held)) })
	require.NoError(t, unix.SetsockoptInt(held, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	require.NoError(t, unix.Bind(held, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := unix.Getsockname(held)
	require.NoError(t, err)
	r.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port))
	t.Cleanup(r.cut)
	return r
}

// join lets connections through.
func (r *relay) join(t *testing.T) {
	t.Helper()
	beside := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(failed, err)
	}}
	l, err := beside.Listen(t.Context(), "tcp", r.address)
	require.NoError(t, err)
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	r.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", r.to)
			if err != nil {
				client.Close()
				continue
			}
			r.mu.Lock()
			if r.listener != l { // it was cut meanwhile
				r.mu.Unlock()
				client.Close()
				server.Close()
				return
			}
			r.open = append(r.open, client, server)
			r.mu.Unlock()
			r.wg.Go(func() { io.Copy(server, client); server.Close() })
			r.wg.Go(func() { io.Copy(client, server); client.Close() })
		}
	})
}

// cut ends all connections and refuses new ones.
func (r *relay) cut() {
	r.mu.Lock()
	if r.listener != nil {
		r.listener.Close()
	}
	for _, c := range r.open {
		c.Close()
	}
	r.listener, r.open = nil, nil
	r.mu.Unlock()
	r.wg.Wait()
}

func TestARelayThatIsCutRefusesAndKeepsItsPort(t *testing.T) {
	to, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer to.Close()
	r := newRelay(t, to.Addr().String())
	for range 3 {
		_, err = net.Dial("tcp", r.address)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		other, err := net.Listen("tcp", r.address)
		if !assert.ErrorIs(t, err, syscall.EADDRINUSE) {
			other.Close()
		}
		r.join(t)
		c, err := net.Dial("tcp", r.address)
		require.NoError(t, err)
		end, err := to.Accept()
		require.NoError(t, err, "it is let through")
		r.cut()
		require.NoError(t, c.Close())
		require.NoError(t, end.Close())
	}
}

func TestAMQPOutagesLoseNothingThatFitsInTheQueueAndKeepTheOrder(t *testing.T) {
	parsed, err := amqp.ParseURI(broker(t))
	require.NoError(t, err)
	exchange, topic, channel := place(t)
	r := newRelay(t, net.JoinHostPort(parsed.Host, strconv.Itoa(parsed.Port)))
	log := &lines{}
	d := openAMQP(t, "amqp://"+parsed.Username+":"+parsed.Password+"@"+r.address+"/", "exchange="+exchange+"&topic="+topic)
	n := New(t.Context(), []Driver{d}, Options{Logger: slog.New(slog.NewTextHandler(log, nil)), FirstRetry: time.Millisecond, LastRetry: time.Millisecond})
	total := 0
	send := func(count int) {
		for range count {
			n.Send(message(total))
			total++
		}
	}
	send(20) // the broker is down at the start
	require.Eventually(t, func() bool { return log.count("are not delivered") == 1 }, wait, tick)
	for range 5 {
		r.join(t)
		require.Eventually(t, func() bool { return n.Stats()[0].Sent > 0 && n.Stats()[0].Queued == 0 }, wait, tick)
		send(100)
		sent := n.Stats()[0].Sent
		require.Eventually(t, func() bool { return n.Stats()[0].Sent > sent }, wait, tick)
		r.cut() // in the middle
		send(20)
	}
	r.join(t)
	require.Eventually(t, func() bool { return n.Stats()[0].Sent == uint64(total) }, wait, tick)
	require.NoError(t, n.Close())
	assert.Zero(t, n.Stats()[0].Dropped)

	seen := map[string]bool{}
	for expected := 0; expected < total; {
		var outer map[string]string
		require.NoError(t, json.Unmarshal(next(t, channel, topic+".info").Body, &outer))
		var inner body
		require.NoError(t, json.Unmarshal([]byte(outer["oslo.message"]), &inner))
		if seen[inner.UniqueID] {
			continue // its receipt was cut off; consumers know it by this id
		}
		seen[inner.UniqueID] = true
		require.Equal(t, message(expected).EventType, inner.EventType)
		expected++
	}
}

func TestAMQPEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	defer l.Close()
	d := openAMQP(t, "amqp://"+l.Addr().String()+"/", "")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(errors.New("enough")) })
	began := time.Now()
	m := message(1)
	require.Error(t, d.Publish(ctx, m.withID()))
	assert.Less(t, time.Since(began), dialTimeout/2)
}

// consumer is testdata/notify/consume.py, a consumer written with
// oslo.messaging.
func consumer(t *testing.T, exchange, topic string) *bufio.Scanner {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "-W", "ignore", "../../testdata/notify/consume.py",
		strings.Replace(broker(t), "amqp://", "rabbit://", 1), "--exchange", exchange, "--topic", topic)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // its exit code is not what is tested
	})
	var said strings.Builder
	for told := bufio.NewScanner(stderr); told.Scan(); {
		said.WriteString(told.Text() + "\n")
		if told.Text() == "listening" {
			go io.Copy(io.Discard, stderr)
			return bufio.NewScanner(out)
		}
	}
	t.Fatalf("no consumer (is python3-oslo.messaging installed?): %s", said.String())
	return nil
}

func TestOsloMessagingReadsBothFormats(t *testing.T) {
	exchange, topic, _ := place(t)
	lines := consumer(t, exchange, topic)
	for _, format := range []string{"messaging", "messagingv2"} {
		d := openAMQP(t, broker(t), "driver="+format+"&exchange="+exchange+"&topic="+topic)
		m := message(1)
		m.Request.GlobalID = "req-2"
		m.Priority = Error
		require.NoError(t, d.Publish(t.Context(), m.withID()))
		require.True(t, lines.Scan(), "%s: %v", format, lines.Err())
		var got struct {
			Priority    string            `json:"priority"`
			PublisherID string            `json:"publisher_id"`
			EventType   string            `json:"event_type"`
			Payload     map[string]int    `json:"payload"`
			Metadata    map[string]string `json:"metadata"`
			Context     map[string]any    `json:"ctxt"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &got))
		assert.Equal(t, "error", got.Priority)
		assert.Equal(t, "backup.lab", got.PublisherID)
		assert.Equal(t, "backup.test.1", got.EventType)
		assert.Equal(t, map[string]int{"n": 1}, got.Payload)
		assert.Equal(t, "2026-11-21 13:45:24.080662", got.Metadata["timestamp"])
		assert.Equal(t, "req-1", got.Context["request_id"])
		assert.Equal(t, "req-2", got.Context["global_request_id"])
		assert.Equal(t, "u", got.Context["user_id"])
		assert.Equal(t, "p", got.Context["project_id"])
	}
}
