// Package actuator is the only writer to Airflow. There is one Actuator per instance; it observes, asks package access
// for the plan, applies its steps in slices, reads back what it wrote, and reports what it proved.
package actuator
