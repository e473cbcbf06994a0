# Data of the generalized models that the core's own tests fit, as plain tables of numbers:
# tests/reference/glmm_*.txt. Run from the package root.

load_data <- function(name) {
  env <- new.env()
  load(file.path("data", paste0(name, ".rda")), envir = env)
  env[[name]]
}

write_table <- function(data, name) {
  data[] <- lapply(data, function(column) {
    if (is.factor(column)) as.integer(column) else column
  })
  path <- file.path("tests", "reference", paste0("glmm_", name, ".txt"))
  write.table(data, path, row.names = FALSE, quote = FALSE)
}

cbpp <- load_data("cbpp")
write_table(cbpp[c("herd", "period", "incidence", "size")], "cbpp")

grouseticks <- load_data("grouseticks")
write_table(
  grouseticks[c("INDEX", "BROOD", "LOCATION", "YEAR", "HEIGHT", "TICKS")],
  "grouseticks"
)

contraception <- load_data("Contraception")
write_table(
  contraception[c("district", "livch", "urban", "age", "use")],
  "contraception"
)

# VerbAgg: one line per person (anger, gender and the answers to the items in order), and one per
# item.
verb_agg <- load_data("VerbAgg")
verb_agg$answer <- as.integer(verb_agg$r2 == "Y")
persons <- verb_agg[!duplicated(verb_agg$id), c("id", "Anger", "Gender")]
items <- verb_agg[
  !duplicated(verb_agg$item),
  c("item", "btype", "situ", "mode")
]
answers <- tapply(
  verb_agg$answer,
  list(verb_agg$id, verb_agg$item),
  sum
)[, as.character(items$item)]
persons$answers <- apply(
  answers[as.character(persons$id), ],
  1,
  paste,
  collapse = ""
)
write_table(persons[c("Anger", "Gender", "answers")], "verbagg_persons")
write_table(items[c("btype", "situ", "mode")], "verbagg_items")
