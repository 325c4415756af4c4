"""Networks: teachers, students, their taps, regressors and costs."""
