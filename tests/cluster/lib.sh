# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts of the test cluster: versions, places, ports. Sourced, never run.
# shellcheck shell=bash

CLUSTER_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=script/lib/common.sh
source "$CLUSTER_SCRIPTS/../../script/lib/common.sh"

# 1.31.4 is a version whose modules build from the Go module proxy alone.
KUBERNETES=v1.31.4

# What is fetched and built once, and outlives the tree.
CLUSTER_CACHE=$MVIMIG_CACHE/kubernetes-$KUBERNETES
# What one cluster is: certificates, state, logs, images. Removed with it.
CLUSTER_HOME=${CLUSTER_HOME:-${TMPDIR:-/tmp}/mvimig-cluster}
# Ports of loopback, four in a row from here.
CLUSTER_PORT=${CLUSTER_PORT:-26443}
# The cgroup below which its containers live.
CLUSTER_CGROUP=${CLUSTER_CGROUP:-mvimig-cluster-$CLUSTER_PORT}
export CLUSTER_HOME CLUSTER_PORT CLUSTER_CGROUP CLUSTER_CACHE

export PATH=$CLUSTER_CACHE/bin:$CLUSTER_CACHE/debian/usr/bin:$CLUSTER_CACHE/debian/usr/sbin:$PATH
