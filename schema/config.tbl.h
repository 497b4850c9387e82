// SPDX-License-Identifier: Apache-2.0
// The keys of one end of the network configuration:
// CONFIG_KEY(key, member of struct end_config, TYPE, meaning). Several keys of one member say the
// same thing in other ways; one of them may stand. TYPEs: TEXT; SECRET: never shown, may be
// "${NAME}" (the environment variable's value); SECRET_FILE: path of a file that holds the secret;
// PATH: of a file, relative to the configuration's folder or absolute; LIST: of
// texts, a NULL behind the last.
// docs/config.md and the examples are checked against this table.
CONFIG_KEY("clusterUrl", cluster_url, TEXT, "API address of the OpenShift cluster")
CONFIG_KEY("clusterToken", cluster_token, SECRET, "token that `oc login` takes")
CONFIG_KEY("clusterTokenFile", cluster_token, SECRET_FILE, "file that holds the token")
CONFIG_KEY("clusterCA", cluster_ca, PATH, "certificates that the cluster's is checked against")
CONFIG_KEY("clusterProject", cluster_project, TEXT, "project (namespace) of the MVI instance")
CONFIG_KEY("kubeconfig", kubeconfig, PATH, "kubeconfig to use instead of a token")
CONFIG_KEY("mviUrl", mvi_url, TEXT, "address of the MVI user interface; tells its version")
CONFIG_KEY("mongoUri", mongo_uri, SECRET, "MongoDB reached directly: mongodb://...")
CONFIG_KEY("mongoUriFile", mongo_uri, SECRET_FILE, "file that holds the URI")
CONFIG_KEY("mongoUser", mongo_user, SECRET, "user of MongoDB")
CONFIG_KEY("mongoPW", mongo_password, SECRET, "that user's password")
CONFIG_KEY("mongoPw", mongo_password, SECRET, "the same")
CONFIG_KEY("mongoPWFile", mongo_password, SECRET_FILE, "file that holds the password")
CONFIG_KEY("mongoAuthSource", mongo_auth_source, TEXT,
           "database that knows mongoUser; mongoDatabase when not given")
CONFIG_KEY("mongoDatabase", mongo_database, TEXT, "database; DLAAS when not given")
CONFIG_KEY("mongoService", mongo_service, TEXT,
           "service of MongoDB in its cluster, NAME or NAME:PORT")
CONFIG_KEY("mongoPod", mongo_pod, TEXT, "pod of MongoDB in the cluster, or a part of its name")
CONFIG_KEY("mongoSecret", mongo_secret, TEXT,
           "secret in the cluster with MongoDB's user and password")
CONFIG_KEY("sshTunnel", ssh_tunnel, TEXT, "USER@HOST from which MongoDB is reached, by ssh")
CONFIG_KEY("dataDir", data_dir, TEXT,
           "data directory of MVI, mounted here (destination in a cluster: in the pod); absolute")
CONFIG_KEY("filesPod", files_pod, TEXT,
           "pod that has the data directory mounted, or a part of its name")
CONFIG_KEY(
    "filesCommand", files_command, LIST,
    "command that runs its arguments where dataDir is: [\"ssh\", \"HOST\"]; destination only")
CONFIG_KEY("tlsCAFile", tls_ca_file, PATH, "certificates that MongoDB's is checked against")
CONFIG_KEY("tlsCertificateKeyFile", tls_certificate_key_file, PATH,
           "certificate and key that we show to MongoDB")
