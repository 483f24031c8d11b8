package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// ConnectedClient is a mail program that is logged in through the daemon.
type ConnectedClient struct {
	Login   string    `json:"login"`
	Program string    `json:"program,omitempty"` // as it calls itself (ID, RFC 2971)
	Address string    `json:"address"`
	TLS     bool      `json:"tls"`
	Folder  string    `json:"folder,omitempty"` // that it has open
	Since   time.Time `json:"since"`
	Idle    float64   `json:"idle_seconds"`      // since it has last asked for anything but news
	Held    string    `json:"held_by,omitempty"` // what its command waits for
	Session string    `json:"session"`           // names the connection in the log
	Domain  string    `json:"domain,omitempty"`  // of the login
	Known   bool      `json:"account"`           // there is an account for the login
}

// What can be asked about clients.
const (
	pathClients = "/v1/clients" // POST clientsRequest -> clientsReply
	pathKick    = "/v1/kick"    // POST kickRequest -> kickReply
)

type clientsRequest struct{}

type clientsReply struct {
	Clients []ConnectedClient `json:"clients"`
	Error   *replyError       `json:"error,omitempty"`
}

type kickRequest struct {
	Login string `json:"login"`
}

type kickReply struct {
	Kicked int         `json:"kicked"`
	Error  *replyError `json:"error,omitempty"`
}

// Clients implements Backend.
func (r *Client) Clients(ctx context.Context) ([]ConnectedClient, error) {
	var reply clientsReply
	err := r.ask(ctx, pathClients, clientsRequest{}, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return reply.Clients, err
}

// Kick implements Backend.
func (r *Client) Kick(ctx context.Context, login string) (kicked int, err error) {
	var reply kickReply
	err = r.ask(ctx, pathKick, kickRequest{Login: login}, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return reply.Kicked, err
}

func (c *server) clients(w http.ResponseWriter, r *http.Request) {
	var req clientsRequest
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	clients, err := c.backend.Clients(r.Context())
	_ = out.write(clientsReply{Clients: clients, Error: describeError(err)})
}

func (c *server) kick(w http.ResponseWriter, r *http.Request) {
	var req kickRequest
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	kicked, err := c.backend.Kick(r.Context(), req.Login)
	if err == nil {
		c.log.Info().Str("account", req.Login).Int("clients", kicked).Msg("clients were sent away")
	}
	_ = out.write(kickReply{Kicked: kicked, Error: describeError(err)})
}
