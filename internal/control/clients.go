package control

import (
	"context"
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
}

type kickRequest struct {
	Login string `json:"login"`
}

type kickReply struct {
	Kicked int `json:"kicked"`
}

// Clients implements Backend.
func (r *Client) Clients(ctx context.Context) ([]ConnectedClient, error) {
	reply, err := question[clientsReply](ctx, r, pathClients, clientsRequest{})
	return reply.Clients, err
}

// Kick implements Backend.
func (r *Client) Kick(ctx context.Context, login string) (kicked int, err error) {
	reply, err := question[kickReply](ctx, r, pathKick, kickRequest{Login: login})
	return reply.Kicked, err
}

func (c *server) clients(ctx context.Context, _ clientsRequest) (clientsReply, error) {
	clients, err := c.backend.Clients(ctx)
	return clientsReply{clients}, err
}

func (c *server) kick(ctx context.Context, req kickRequest) (kickReply, error) {
	kicked, err := c.backend.Kick(ctx, req.Login)
	if err == nil {
		c.log.Info().Str("account", req.Login).Int("clients", kicked).Msg("clients were sent away")
	}
	return kickReply{kicked}, err
}
