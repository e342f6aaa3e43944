// Package access decides what access should hold in an Airflow, and which steps lead there.
//
// It is pure: values in, values out. There is no context, client, clock or logger in it, inputs are never changed, and
// every result is sorted, so that equal inputs give equal results.
package access
