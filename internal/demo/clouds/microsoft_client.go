package clouds

import (
	"crypto/sha1" // the thumbprint of RFC 7515 section 4.1.7
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionType says that an assertion is a JWT (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// skew is how far clocks may differ.
const skew = 5 * time.Minute

// client finds who asks, and has it prove who it is if it can. proved says whether it did.
func (m *Microsoft) client(r *http.Request) (app App, proved bool, no *aadRefusal) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id == "" {
		return App{}, false, lacks("client_id")
	}
	app, ok := appOf(m.Apps, id)
	if !ok {
		return App{}, false, aad(700016, http.StatusBadRequest, "unauthorized_client", "Application with identifier '"+id+"' was not found in the directory '"+m.Tenant+"'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.")
	}
	assertion := r.PostFormValue("client_assertion")
	public := app.Secret == "" && len(app.Certificates) == 0
	switch {
	case public && (secret != "" || assertion != ""):
		return App{}, false, aad(700025, http.StatusUnauthorized, "invalid_client", "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")
	case public:
		return app, false, nil
	case assertion != "":
		return app, true, m.checkAssertion(r, app, assertion)
	case secret == "":
		return App{}, false, aad(7000218, http.StatusUnauthorized, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case secret != app.Secret || app.Secret == "":
		return App{}, false, aad(7000215, http.StatusUnauthorized, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '"+app.ID+"'.")
	}
	return app, true, nil
}

// checkAssertion checks a signed statement of who asks (RFC 7523 section 3, and what
// Microsoft asks for in "application authentication certificate credentials").
func (m *Microsoft) checkAssertion(r *http.Request, app App, assertion string) *aadRefusal {
	if r.PostFormValue("client_assertion_type") != assertionType {
		return aad(900144, http.StatusBadRequest, "invalid_request", "The request body must contain the following parameter: 'client_assertion_type'.")
	}
	claims := jwt.RegisteredClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"PS256", "RS256"}), jwt.WithExpirationRequired(), jwt.WithLeeway(skew))
	_, err := parser.ParseWithClaims(assertion, &claims, func(t *jwt.Token) (any, error) { return keyFor(app, t.Header) })
	invalid := func(number int, text string) *aadRefusal {
		return aad(number, http.StatusUnauthorized, "invalid_client", text)
	}
	switch {
	case errors.Is(err, errNoKey):
		return invalid(700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]")
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid(700024, "Client assertion is not within its valid time range.")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalid(700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key used to sign the assertion was not found by its thumbprint.]")
	case err != nil:
		return invalid(50027, "JWT token is invalid or malformed.")
	case claims.Issuer != app.ID || claims.Subject != app.ID:
		return invalid(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
	case len(claims.Audience) != 1 || claims.Audience[0] != base(r)+r.URL.Path:
		return invalid(700023, "Client assertion audience claim does not match Realm issuer.")
	case claims.ID == "":
		return invalid(50027, "JWT token is invalid or malformed. The claim 'jti' is missing.")
	}
	return nil
}

var errNoKey = errors.New("no key of that thumbprint")

// keyFor finds the key that a header names by its certificate's thumbprint.
func keyFor(app App, header map[string]any) (any, error) {
	i := slices.IndexFunc(app.Certificates, func(der []byte) bool {
		one, two := sha1.Sum(der), sha256.Sum256(der)
		return header["x5t"] == base64.RawURLEncoding.EncodeToString(one[:]) || header["x5t#S256"] == base64.RawURLEncoding.EncodeToString(two[:])
	})
	if i < 0 {
		return nil, errNoKey
	}
	cert, err := x509.ParseCertificate(app.Certificates[i])
	if err != nil {
		return nil, err
	}
	return cert.PublicKey, nil
}
