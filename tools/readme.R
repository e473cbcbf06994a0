# Brings the generated parts of README.md up to date, with the installed rlmm. Usage, in the
# package's folder: Rscript tools/readme.R [example] [picture] [linear] [generalized] (default: all)
# example runs the lines below; picture draws man/figures/README-sleepstudy.png; linear, generalized
# run bench/peers.R: minutes, and only worth it on a machine that does nothing else

example <- c(
  "library(rlmm)",
  "fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)",
  "fit",
  "head(coef(fit)$Subject, 3)",
  "predict(fit, data.frame(Days = 10, Subject = c(\"308\", \"new\")), allow.new.levels = TRUE)"
)

# The code, and as comments what R prints.
run_example <- function() {
  shown <- lapply(example, function(line) {
    output <- capture.output(print_visible(line))
    c(line, if (length(output)) trimws(paste("#>", output), "right"))
  })
  c("```r", unlist(shown), "```")
}

print_visible <- function(line) {
  result <- withVisible(eval(parse(text = line), globalenv()))
  if (result$visible) print(result$value)
}

# Each subject's own line beside the data, the common line in grey.
draw_picture <- function() {
  file <- "man/figures/README-sleepstudy.png"
  dir.create(dirname(file), showWarnings = FALSE, recursive = TRUE)
  fit <- rlmm::rlmm(Reaction ~ Days + (Days | Subject), rlmm::sleepstudy)
  grDevices::png(file, width = 1400, height = 760, res = 144)
  on.exit(grDevices::dev.off())
  print(draw_lines(fit))
  c(
    paste0(
      "![Reaction time against days: 18 subjects, their own lines](",
      file,
      ")"
    ),
    "",
    "The data, each subject's own line (`coef(fit)`), and the line of the average subject in grey."
  )
}

# The panels, by lattice.
draw_lines <- function(fit) {
  lines <- coef(fit)$Subject
  common <- rlmm::fixef(fit)
  lattice::xyplot(
    Reaction ~ Days | Subject,
    rlmm::sleepstudy,
    layout = c(6, 3),
    as.table = TRUE,
    ylab = "Reaction time (ms)",
    xlab = "Days without sleep",
    par.settings = list(strip.background = list(col = "grey92")),
    panel = function(x, y, ...) {
      own <- unlist(lines[lattice::packet.number(), ])
      lattice::panel.abline(common, col = "grey60")
      lattice::panel.abline(own, col = "#b2182b", lwd = 1.5)
      lattice::panel.xyplot(x, y, pch = 16, cex = 0.5, col = "grey20")
    }
  )
}

run_table <- function(...) {
  system2(
    file.path(R.home("bin"), "Rscript"),
    c("bench/peers.R", ...),
    stdout = TRUE
  )
}

# The text with `content` between the markers of `part`.
replace_part <- function(text, part, content) {
  begin <- grep(paste0("<!-- ", part, ":"), text, fixed = TRUE)
  end <- grep(paste0("<!-- /", part, " -->"), text, fixed = TRUE)
  c(text[seq_len(begin)], "", content, "", text[end:length(text)])
}

contents <- list(
  example = run_example,
  picture = draw_picture,
  linear = function() run_table("slow"),
  generalized = function() run_table("glmm")
)
parts <- commandArgs(trailingOnly = TRUE)
if (length(parts) == 0L) {
  parts <- names(contents)
}
readme <- readLines("README.md")
options(width = 80)
for (part in parts) {
  readme <- replace_part(readme, part, contents[[part]]())
}
writeLines(readme, "README.md")
