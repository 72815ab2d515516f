// Package walnutclient is a client of a group of Walnut nodes, over code that is generated
// from api/. It follows hints to the master, keeps a session (its reads see what it wrote,
// on every node, and never go back in time), and repeats what may be repeated.
package walnutclient

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"

	walnutv1 "walnut.example/gen/walnut/v1"
	"walnut.example/gen/walnut/v1/walnutv1connect"
)

const (
	attempt   = 2 * time.Second
	pauseMin  = 50 * time.Millisecond
	pauseMax  = time.Second
	nonceBits = 32
)

// Client may be used by several goroutines, which share its session.
type Client struct {
	addresses []string
	http      *http.Client
	mu        sync.Mutex
	master    string
	position  *walnutv1.Position
	stores    map[string]walnutv1connect.KVStoreClient
}

// New returns a client of the group of which addresses (host:port) are some nodes.
func New(addresses ...string) *Client {
	return &Client{
		addresses: addresses, http: &http.Client{}, master: addresses[0],
		stores: map[string]walnutv1connect.KVStoreClient{},
	}
}

// Get reads from any node; found is false if the key is missing. It fails with CodeDataLoss,
// once, if what this client saw was discarded by a forced promotion.
func (c *Client) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	asked := c.session()
	request := &walnutv1.GetRequest{Key: key, AtLeast: asked, WaitMs: 1_000}
	answer, err := call(ctx, c, false, walnutv1connect.KVStoreClient.Get, request)
	if err != nil {
		if connect.CodeOf(err) == connect.CodeDataLoss {
			c.forget(asked)
		}
		return nil, false, err
	}
	c.observe(answer.AsOf)
	return answer.Value, answer.Found, nil
}

// Set writes; a ttl of 0 is what the node's default says. Its name makes repeats harmless.
func (c *Client) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	request := &walnutv1.SetRequest{Key: key, Value: value, RequestId: rand.Text()}
	if ttl > 0 {
		request.Expiry = &walnutv1.SetRequest_TtlMs{TtlMs: uint64(max(1, ttl.Milliseconds()))}
	}
	answer, err := call(ctx, c, true, walnutv1connect.KVStoreClient.Set, request)
	if err == nil {
		c.observe(answer.Position)
	}
	return err
}

// Delete reports if the key was there.
func (c *Client) Delete(ctx context.Context, key string) (bool, error) {
	request := &walnutv1.DeleteRequest{Key: key, RequestId: rand.Text()}
	answer, err := call(ctx, c, true, walnutv1connect.KVStoreClient.Delete, request)
	if err != nil {
		return false, err
	}
	c.observe(answer.Position)
	return answer.Deleted, nil
}

// Increment adds delta once, however often the request was sent, and returns the sum.
func (c *Client) Increment(ctx context.Context, key string, delta int64) (int64, error) {
	request := &walnutv1.IncrementRequest{Key: key, Delta: &delta, RequestId: rand.Text()}
	answer, err := call(ctx, c, true, walnutv1connect.KVStoreClient.Increment, request)
	if err != nil {
		return 0, err
	}
	c.observe(answer.Position)
	return answer.Value, nil
}

type rpc[Request, Answer any] func(walnutv1connect.KVStoreClient, context.Context, *connect.Request[Request]) (*connect.Response[Answer], error)

// call repeats until ctx is over: give it a deadline.
func call[Request, Answer any](ctx context.Context, c *Client, isWrite bool, method rpc[Request, Answer], request *Request) (*Answer, error) {
	pause := pauseMin
	for tries := 0; ; tries++ {
		store := c.store(isWrite, tries)
		limited, cancel := context.WithTimeout(ctx, attempt)
		answer, err := method(store, limited, connect.NewRequest(request))
		cancel()
		if err == nil {
			return answer.Msg, nil
		}
		isHinted := c.follow(err)
		if (!isHinted && !isRepeatable(err)) || ctx.Err() != nil {
			return nil, err
		}
		if isHinted {
			continue
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause/2 + mathrand.N(pause/2)):
		}
		pause = min(2*pause, pauseMax)
	}
}

func isRepeatable(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled:
		return true
	}
	return false
}

// follow reports if the node refused because another one is the master, which it named.
func (c *Client) follow(err error) bool {
	var refused *connect.Error
	if !errors.As(err, &refused) {
		return false
	}
	hint := refused.Meta().Get("x-leader-hint")
	if hint == "" {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.master = hint
	return refused.Code() == connect.CodeFailedPrecondition
}

// store is that of the master for writes, and every second time that of somebody who may know it.
func (c *Client) store(isWrite bool, tries int) walnutv1connect.KVStoreClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	address := c.addresses[mathrand.IntN(len(c.addresses))]
	if isWrite && tries%3 != 2 {
		address = c.master
	}
	if c.stores[address] == nil {
		c.stores[address] = walnutv1connect.NewKVStoreClient(c.http, "http://"+address)
	}
	return c.stores[address]
}

func (c *Client) session() *walnutv1.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

// forget drops a position that no node can ever reach, and keeps one that was seen since.
func (c *Client) forget(discarded *walnutv1.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.position == discarded {
		c.position = nil
	}
}

// observe keeps the newest position. Terms decide before LSNs: a newer master may have a shorter log.
func (c *Client) observe(seen *walnutv1.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen.GetLsn() == 0 {
		return
	}
	term, known := seen.Epoch>>nonceBits, c.position.GetEpoch()>>nonceBits
	if c.position == nil || term > known || (term == known && seen.Lsn > c.position.Lsn) {
		c.position = seen
	}
}
