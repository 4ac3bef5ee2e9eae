// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// Nothing to call: see NoICUData.c.
