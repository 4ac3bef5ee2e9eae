// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

enum PrometheusText {}
