# Whether a plot by lattice can be drawn.
draws <- function(plot) {
  file <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  on.exit(grDevices::dev.off())
  print(plot)
  file.exists(file)
}
