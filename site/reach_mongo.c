// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/must.h"
#include "site/reach_private.h"
#include "site/vision_tools.h"

#define MONGO_PORT "27017"
#define STANDALONE_SERVICE "vision-mongodb"
#define SERVICE_HOST "MONGODB_SERVICE_HOST"
#define SERVICE_PORT "MONGODB_SERVICE_PORT"

extern char **environ;

// --- tunnels as a dialer

static bool address_of(void *arg, const char *host, int timeout_ms, struct tunnel_address *out) {
    struct reach *r = arg;
    for (size_t i = 0; i < r->n_tunnels; i++) {
        if (strcasecmp(r->tunnels[i].host, host) == 0) {
            return tunnel_address(r->tunnels[i].tunnel, timeout_ms, out);
        }
    }
    return false;
}

static bool probed_address(void *arg, const char *host, int timeout_ms,
                           struct tunnel_address *out) {
    (void)host;
    (void)timeout_ms;
    *out = *(const struct tunnel_address *)arg;
    return true;
}

static void fill_tls(const struct end_config *end, struct mongo_options *o) {
    o->label = end->label;
    o->database = end->mongo_database;
    o->auth_source = end->mongo_auth_source;
    o->tls_ca_file = end->tls_ca_file;
    o->tls_certificate_key_file = end->tls_certificate_key_file;
}

// A hello to this one server, whatever set it is a member of.
static int probe(void *arg, const struct tunnel_address *to, int timeout_ms, struct err *e) {
    struct reach_tunnel *t = arg;
    bool secondary = false;
    struct mongo_options o = {.dialer = {probed_address, (void *)to}};
    fill_tls(t->reach->end, &o);
    const char *given = secret_value(t->reach->uri);
    const char *query = strchr(given, '?');
    bool tls = query != NULL && (strstr(query, "tls=true") || strstr(query, "ssl=true"));
    AUTO_FREE char *text = must_sprintf("mongodb://%s/?directConnection=true%s", t->host,
                                        tls ? "&tls=true&tlsInsecure=true" : "");
    struct secret *uri = secret_new(text, strlen(text));
    o.uri = uri;
    if (tls) { // tlsInsecure does not go with a CA; what is sent here is no secret
        o.tls_ca_file = NULL;
    }
    int rc = mongo_hello(&o, timeout_ms, &secondary, e);
    secret_free(uri);
    // A port-forward leads to one member, and that has to be the primary; ssh leads to all.
    if (rc == 0 && secondary && t->socket == NULL) {
        t->nth++;
        rc = err_set(e, ERR_UNREACHABLE, "its MongoDB is no primary; the next pod is looked at");
    }
    return rc;
}

static void say(void *arg, const char *text) {
    const struct reach_tunnel *t = arg;
    t->reach->say(t->reach->say_arg, text);
}

static int add_tunnel(struct reach *r, const char *host, const char *socket, const char *label,
                      int (*command)(void *arg, struct arena *a, struct tunnel_command *out,
                                     struct err *e),
                      struct err *e) {
    if (r->n_tunnels == REACH_TUNNELS_MAX) {
        return err_set(e, ERR_USAGE, "%s: more than %d hosts", r->end->label, REACH_TUNNELS_MAX);
    }
    struct reach_tunnel *t = &r->tunnels[r->n_tunnels];
    *t = (struct reach_tunnel){.reach = r, .host = host, .socket = socket};
    const struct tunnel_options o = {
        .label = label, .command = command, .probe = probe, .say = say, .arg = t};
    int rc = tunnel_open(&o, &t->tunnel, e);
    r->n_tunnels += rc == 0;
    return rc != 0 && socket == NULL && rc != ERR_LOGIN && cluster_refuses(e) ? e->code : rc;
}

static void set_uri(struct reach *r, const char *host, const char *query) {
    AUTO_FREE char *text = must_sprintf("mongodb://%s/%s", host, query);
    secret_free(r->uri);
    r->uri = secret_new(text, strlen(text));
}

static const char *tls_query(const struct end_config *end) {
    return end->tls_ca_file != NULL || end->tls_certificate_key_file != NULL
               ? "?directConnection=true&tls=true"
               : "?directConnection=true";
}

// --- a cluster

int reach_find_mongo(struct reach *r, struct arena *a, unsigned nth, struct cluster_pod *pod,
                     struct err *e) {
    const struct cluster_wanted w = {.what = "the pod of MongoDB",
                                     .key = "mongoPod",
                                     .given = r->end->mongo_pod,
                                     .pattern = CLUSTER_MONGO_PATTERN,
                                     .nth = nth};
    return cluster_find_pod(r->cluster, a, &w, pod, e);
}

// "INSTANCE-mongodb.PROJECT.svc:27017" of the pod INSTANCE-mongodb-...: the service's name, which
// stays when the pod becomes another, and which a certificate would carry.
static const char *service_host(struct reach *r, const struct cluster_pod *pod) {
    const char *given = r->end->mongo_service;
    const char *at = strstr(pod->name, CLUSTER_MONGO_PATTERN);
    const char *name =
        given != NULL ? given
        : at == NULL  ? pod->name
                      : arena_strndup(r->arena, pod->name,
                                      (size_t)(at - pod->name) + strlen(CLUSTER_MONGO_PATTERN));
    const char *colon = strrchr(name, ':');
    const char *port = colon != NULL ? colon + 1 : MONGO_PORT;
    int len = colon != NULL ? (int)(colon - name) : (int)strlen(name);
    bool full = memchr(name, '.', (size_t)len) != NULL;
    return arena_printf(r->arena, "%.*s%s%s%s:%s", len, name, full ? "" : ".",
                        full ? "" : cluster_project(r->cluster), full ? "" : ".svc", port);
}

static int forward_command(void *arg, struct arena *a, struct tunnel_command *out, struct err *e) {
    const struct reach_tunnel *t = arg;
    struct reach *r = t->reach;
    struct cluster_pod pod;
    int rc = reach_find_mongo(r, a, t->nth, &pod, e);
    if (rc != 0) {
        return rc;
    }
    const char *port = strrchr(t->host, ':') + 1;
    const char *words[] = {"port-forward", arena_printf(a, "pod/%s", pod.name), "--address",
                           "127.0.0.1",    arena_printf(a, ":%s", port),        NULL};
    const char **argv = arena_alloc(a, (CLUSTER_WORDS_MAX + 4) * sizeof *argv);
    cluster_argv(r->cluster, words, argv);
    *out = (struct tunnel_command){.argv = argv, .env = cluster_env(r->cluster)};
    return 0;
}

static int forward_to(struct reach *r, const struct cluster_pod *pod, struct err *e) {
    const char *host = service_host(r, pod);
    set_uri(r, host, tls_query(r->end));
    const char *label = arena_printf(r->arena, "%s port-forward", r->end->label);
    return add_tunnel(r, host, NULL, label, forward_command, e);
}

static int by_cluster(struct reach *r, struct err *e) {
    struct cluster_pod pod;
    int rc = reach_find_mongo(r, r->arena, 0, &pod, e);
    if (rc == 0 && r->end->mongo_user == NULL) {
        rc = cluster_find_login(r->cluster, r->end->mongo_secret, &r->user, &r->password, e);
    }
    if (rc != 0) {
        return rc == ERR_RETRY ? e->code = ERR_UNREACHABLE : rc;
    }
    return forward_to(r, &pod, e);
}

// --- SSH

static int ssh_command(void *arg, struct arena *a, struct tunnel_command *out, struct err *e) {
    const struct reach_tunnel *t = arg;
    const char *agent = getenv("SSH_AUTH_SOCK");
    const char **env = arena_alloc(a, 2 * sizeof *env);
    const char *argv[] = {"ssh",
                          "-N",
                          "-T",
                          "-o",
                          "BatchMode=yes",
                          "-o",
                          "ExitOnForwardFailure=yes",
                          "-o",
                          "ServerAliveInterval=15",
                          "-o",
                          "ServerAliveCountMax=3",
                          "-o",
                          "StreamLocalBindUnlink=yes",
                          "-o",
                          "StreamLocalBindMask=0177",
                          "-L",
                          arena_printf(a, "%s:%s", t->socket, t->host),
                          "--",
                          t->reach->end->ssh_tunnel,
                          NULL};
    (void)e;
    const char **copy = arena_alloc(a, sizeof argv);
    memcpy(copy, argv, sizeof argv);
    env[0] = agent != NULL ? arena_printf(a, "SSH_AUTH_SOCK=%s", agent) : NULL;
    env[1] = NULL;
    *out = (struct tunnel_command){.argv = copy, .env = env, .socket = t->socket};
    return 0;
}

static int tunnel_by_ssh(struct reach *r, const char *host, struct err *e) {
    const char *socket = arena_printf(r->arena, "%s/%zu", r->dir.path, r->n_tunnels);
    if (strlen(socket) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        return err_set(e, ERR_USAGE,
                       "the name of the socket %s is too long; set TMPDIR to a "
                       "shorter one",
                       socket);
    }
    const char *label =
        arena_printf(r->arena, "%s SSH tunnel by %s", r->end->label, r->end->ssh_tunnel);
    return add_tunnel(r, host, socket, label, ssh_command, e);
}

static int by_ssh(struct reach *r, struct err *e) {
    const struct end_config *end = r->end;
    char hosts[300];
    const char *given = end->mongo_service != NULL ? end->mongo_service : "127.0.0.1";
    if (end->mongo_uri != NULL) {
        r->uri = secret_new(secret_value(end->mongo_uri), strlen(secret_value(end->mongo_uri)));
    } else {
        set_uri(
            r, strchr(given, ':') != NULL ? given : arena_printf(r->arena, "%s:" MONGO_PORT, given),
            tls_query(end));
    }
    struct mongo_options o = {.uri = r->uri};
    fill_tls(end, &o);
    int rc = mongo_hosts(&o, hosts, sizeof hosts, e);
    if (rc == 0) {
        rc = tempdir_make(&r->dir, "ssh", e);
    }
    char *save = NULL;
    for (char *h = strtok_r(hosts, ",", &save); rc == 0 && h != NULL;
         h = strtok_r(NULL, ",", &save)) {
        rc = tunnel_by_ssh(r, arena_strdup(r->arena, h), e);
    }
    return rc;
}

// --- the standalone server, from inside

// Of the variables that Kubernetes puts into each container: NAME_MONGODB_SERVICE_HOST and _PORT.
static const char *host_by_environment(struct arena *a) {
    for (char **v = environ; *v != NULL; v++) {
        const char *equals = strchr(*v, '=');
        const char *at = strstr(*v, SERVICE_HOST "=");
        if (at == NULL || equals == NULL || at + strlen(SERVICE_HOST) != equals) {
            continue;
        }
        const char *port_name = arena_printf(a, "%.*s" SERVICE_PORT, (int)(at - *v), *v);
        const char *port = getenv(port_name);
        return arena_printf(a, "%s:%s", equals + 1, port != NULL ? port : MONGO_PORT);
    }
    return NULL;
}

// On the server itself: by its own kubectl.
static int by_vision(struct reach *r, const char *program, struct err *e) {
    struct cluster_pod pod;
    const struct cluster_options o = {.label = r->end->label, .program = program};
    int rc = cluster_open(&o, &r->cluster, e);
    if (rc == 0) {
        rc = reach_find_mongo(r, r->arena, 0, &pod, e);
    }
    if (rc != 0) {
        return rc == ERR_RETRY ? e->code = ERR_UNREACHABLE : rc;
    }
    return forward_to(r, &pod, e);
}

// In a container of the server's cluster, or on the server.
static int inside(struct reach *r, struct err *e) {
    const char *given = r->end->mongo_service;
    const char *host = given != NULL ? given : host_by_environment(r->arena);
    const char *program = host == NULL ? vision_tool("kubectl.sh") : NULL;
    if (program != NULL) {
        return by_vision(r, program, e);
    }
    if (host == NULL) {
        host = STANDALONE_SERVICE;
    }
    set_uri(r, strchr(host, ':') != NULL ? host : arena_printf(r->arena, "%s:" MONGO_PORT, host),
            tls_query(r->end));
    return 0;
}

int reach_mongo(struct reach *r, struct mongo_options *o, struct err *e) {
    const struct end_config *end = r->end;
    int rc = end->ssh_tunnel != NULL    ? by_ssh(r, e)
             : end->kind == END_CLUSTER ? by_cluster(r, e)
                                        : inside(r, e);
    if (rc != 0) {
        return rc;
    }
    fill_tls(end, o);
    o->uri = r->uri;
    o->user = end->mongo_user != NULL ? end->mongo_user : r->user;
    o->password = end->mongo_user != NULL ? end->mongo_password : r->password;
    if (r->n_tunnels > 0) {
        o->dialer = (struct mongo_dialer){address_of, r};
    }
    return 0;
}
