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
# The cgroup below which its containers live.
CLUSTER_CGROUP=${CLUSTER_CGROUP:-mvimig-cluster-$(basename "$CLUSTER_HOME")}
export CLUSTER_HOME CLUSTER_CGROUP CLUSTER_CACHE

export PATH=$CLUSTER_CACHE/bin:$CLUSTER_CACHE/debian/usr/bin:$CLUSTER_CACHE/debian/usr/sbin:$PATH

# The network of the cluster is its own: nothing of it can be reached from outside but by
# `tests/cluster/in`. Pods and programs beside them meet on one bridge.
CLUSTER_GATEWAY=10.77.0.1
CLUSTER_SUBNET=10.77.0.0/24
CLUSTER_ETCD=http://127.0.0.1:2379
export CLUSTER_GATEWAY CLUSTER_SUBNET CLUSTER_ETCD
export KUBECONFIG=$CLUSTER_HOME/admin.kubeconfig
export CONTAINERD_ADDRESS=$CLUSTER_HOME/containerd.sock CONTAINERD_NAMESPACE=k8s.io
