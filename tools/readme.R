# Brings the generated parts of README.md up to date, with the installed rlmm. Usage, in the
# package's folder: Rscript tools/readme.R [example] [linear] [generalized] (default: all) example
# runs the lines below linear, generalized run bench/peers.R: minutes, and only worth it on a
# machine that does nothing else

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
