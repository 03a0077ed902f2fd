package walk

import (
	"slices"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// subject is what access rules ask about: a connection, and for HTTP filters a request on it.
type subject struct {
	conn *conn
	req  *HTTP // nil for network filters: no header is present
}

// enforce denies what rules do not let pass.
func (j *journey) enforce(s subject, rules *rbacv3.RBAC) error {
	if rules == nil {
		return nil
	}
	if err := only(rules, "action", "policies", "audit_logging_options"); err != nil {
		return err
	}
	var names []string
	for name := range rules.GetPolicies() {
		names = append(names, name)
	}
	slices.Sort(names)
	matched := ""
	for _, name := range names {
		ok, err := s.policy(rules.GetPolicies()[name])
		if err != nil {
			return err
		}
		if ok {
			matched = name
			break
		}
	}
	switch rules.GetAction() {
	case rbacv3.RBAC_ALLOW:
		if matched == "" {
			return deny("no access rule of %s allows %q sni=%q", s.conn.proxy.name(), s.identity(), s.conn.sni)
		}
		j.out.Checks = append(j.out.Checks, Check{Proxy: s.conn.proxy.Identity, Policy: matched, Peer: s.identity()})
		j.note("%s: access rule %s allows %q", s.conn.proxy.name(), matched, s.identity())
	case rbacv3.RBAC_DENY:
		if matched != "" {
			return deny("access rule %s of %s denies %q sni=%q", matched, s.conn.proxy.name(), s.identity(), s.conn.sni)
		}
	case rbacv3.RBAC_LOG:
	default:
		return unknown("RBAC action %v", rules.GetAction())
	}
	return nil
}

// identity returns who the client is, by its certificate or by what an earlier chain noted of it.
func (s subject) identity() string {
	if s.conn.peer != "" {
		return s.conn.peer
	}
	return s.conn.state["io.istio.peer_principal"].value
}

func (s subject) policy(p *rbacv3.Policy) (bool, error) {
	if err := only(p, "permissions", "principals"); err != nil {
		return false, err
	}
	ok, err := anyOf(p.GetPermissions(), s.permission)
	if err != nil || !ok {
		return false, err
	}
	return anyOf(p.GetPrincipals(), s.principal)
}

func anyOf[T any](rules []T, match func(T) (bool, error)) (bool, error) {
	for _, r := range rules {
		if ok, err := match(r); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func allOf[T any](rules []T, match func(T) (bool, error)) (bool, error) {
	for _, r := range rules {
		if ok, err := match(r); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func not(ok bool, err error) (bool, error) { return !ok && err == nil, err }

func (s subject) permission(p *rbacv3.Permission) (bool, error) {
	switch r := p.GetRule().(type) {
	case *rbacv3.Permission_Any:
		return r.Any, nil
	case *rbacv3.Permission_AndRules:
		return allOf(r.AndRules.GetRules(), s.permission)
	case *rbacv3.Permission_OrRules:
		return anyOf(r.OrRules.GetRules(), s.permission)
	case *rbacv3.Permission_NotRule:
		return not(s.permission(r.NotRule))
	case *rbacv3.Permission_Header:
		return matchHeader(r.Header, s.req)
	case *rbacv3.Permission_UrlPath:
		return s.urlPath(r.UrlPath)
	case *rbacv3.Permission_RequestedServerName:
		return matchString(r.RequestedServerName, s.conn.sni)
	case *rbacv3.Permission_DestinationPort:
		return s.port(func(port uint32) bool { return port == r.DestinationPort })
	case *rbacv3.Permission_DestinationPortRange:
		return s.port(func(port uint32) bool {
			return uint32(r.DestinationPortRange.GetStart()) <= port && port < uint32(r.DestinationPortRange.GetEnd())
		})
	case *rbacv3.Permission_DestinationIp:
		return contains(r.DestinationIp, s.conn.local.Addr())
	}
	return false, unknown("permission %T", p.GetRule())
}

func (s subject) port(match func(uint32) bool) (bool, error) {
	if !s.conn.local.IsValid() {
		return false, unknown("the port of an internal connection")
	}
	return match(uint32(s.conn.local.Port())), nil
}

func (s subject) principal(p *rbacv3.Principal) (bool, error) {
	switch i := p.GetIdentifier().(type) {
	case *rbacv3.Principal_Any:
		return i.Any, nil
	case *rbacv3.Principal_AndIds:
		return allOf(i.AndIds.GetIds(), s.principal)
	case *rbacv3.Principal_OrIds:
		return anyOf(i.OrIds.GetIds(), s.principal)
	case *rbacv3.Principal_NotId:
		return not(s.principal(i.NotId))
	case *rbacv3.Principal_Authenticated_:
		// Where the proxy terminated no TLS, nobody is authenticated. Without a name any TLS client is, even one without a certificate.
		name := i.Authenticated.GetPrincipalName()
		switch {
		case !s.conn.tls:
			return false, nil
		case name == nil:
			return true, nil
		}
		return matchString(name, s.conn.peer)
	case *rbacv3.Principal_FilterState:
		if err := only(i.FilterState, "key", "string_match"); err != nil {
			return false, err
		}
		o, ok := s.conn.state[i.FilterState.GetKey()]
		if !ok {
			return false, nil
		}
		return matchString(i.FilterState.GetStringMatch(), o.value)
	case *rbacv3.Principal_Header:
		return matchHeader(i.Header, s.req)
	case *rbacv3.Principal_UrlPath:
		return s.urlPath(i.UrlPath)
	case *rbacv3.Principal_DirectRemoteIp:
		return contains(i.DirectRemoteIp, s.conn.remote)
	}
	return false, unknown("principal %T", p.GetIdentifier())
}

// urlPath asks for the path of a request without query and fragment.
func (s subject) urlPath(m *matcherv3.PathMatcher) (bool, error) {
	if s.req == nil {
		return false, nil
	}
	path, err := plainPath(s.req)
	if err != nil {
		return false, err
	}
	return matchString(m.GetPath(), path)
}
