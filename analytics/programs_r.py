"""What R needs to repeat each test: how it reads values.csv, and the test itself."""

R_GROUPS = """\
# values.csv has the columns group, value, count
d <- read.csv("{file}", encoding = "UTF-8")
d <- d[!is.na(d$value) & is.finite(d$value), ]
d <- d[rep(seq_len(nrow(d)), d$count), ]
groups <- c({names})
d <- d[d$group %in% groups, ]
d$group <- factor(d$group, levels = groups)
"""
R_TWO = """\
a <- d$value[d$group == groups[1]]
b <- d$value[d$group == groups[2]]
"""
R_VISITS = """\
# values.csv has the columns subject, time, value (and group, baseline); count, where it is given,
# says how many subjects have these values
d <- read.csv("{file}", encoding = "UTF-8")
d$count <- if ("count" %in% names(d)) d$count else 1
d <- d[rep(seq_len(nrow(d)), d$count), ]
d$subject <- paste(d$subject, ave(seq_len(nrow(d)), d$subject, d$time, FUN = seq_along))
times <- c({names})
d <- d[d$time %in% times & !is.na(d$value), ]
w <- reshape(d[, c("subject", "time", "value")], idvar = "subject", timevar = "time",
             direction = "wide")
w <- w[complete.cases(w), paste0("value.", times)]
"""
R_CATEGORIES = """\
# values.csv has the columns group, value, count
d <- read.csv("{file}", encoding = "UTF-8")
d <- d[!is.na(d$value), ]
d <- d[rep(seq_len(nrow(d)), d$count), ]
groups <- c({names})
d <- d[d$group %in% groups, ]
d$group <- factor(d$group, levels = groups)
"""
R_RATES = """\
# values.csv has the columns group, value (events), exposure
d <- read.csv("{file}", encoding = "UTF-8")
groups <- c({names})
events <- tapply(d$value, d$group, sum)[groups]
exposure <- tapply(d$exposure, d$group, sum)[groups]
"""
R_TESTS = {
    "Welch t on logarithms": R_TWO
    + """\
fit <- t.test(log(a), log(b), conf.level = {level})
exp(unname(fit$estimate[1] - fit$estimate[2]))  # ratio of geometric means
exp(fit$conf.int)
fit$p.value
""",
    "Welch t": R_TWO + "t.test(a, b, conf.level = {level})\n",
    "Mann–Whitney": R_TWO
    + """\
wilcox.test(a, b, exact = FALSE, conf.int = TRUE, conf.level = {level})
effsize::cliff.delta(a, b, conf.level = {level})
""",
    "Mann–Whitney, exact": R_TWO
    + """\
# exact with ties; R before 4.6 leaves ties to this package
exactRankTests::wilcox.exact(a, b, conf.int = TRUE, conf.level = {level})
effsize::cliff.delta(a, b, conf.level = {level})
# R 4.6 and Kerma double the smaller tail:
u <- coin::wilcox_test(value ~ group, data = d, distribution = "exact")
z <- coin::statistic(u)
min(1, 2 * min(coin::pperm(u, z), 1 - coin::pperm(u, z) + coin::dperm(u, z)))
""",
    "Brunner–Munzel": R_TWO
    + "lawstat::brunner.munzel.test(b, a, alpha = 1 - {level})  # P(a > b)\n",
    "Welch ANOVA on logarithms": """\
oneway.test(log(value) ~ group, data = d)
rstatix::games_howell_test(transform(d, value = log(value)), value ~ group)
""",
    "Welch ANOVA": """\
oneway.test(value ~ group, data = d)
rstatix::games_howell_test(d, value ~ group)
""",
    "Kruskal–Wallis": """\
kruskal.test(value ~ group, data = d)
dunn.test::dunn.test(d$value, d$group, altp = TRUE)  # adjust with p.adjust
""",
    "χ²": """\
chisq.test(table(d$group, d$value), correct = FALSE)
DescTools::BinomDiffCI(sum(a == 1), length(a), sum(b == 1), length(b), method = "score")
""",
    "Fisher mid-p": """\
exact2x2::exact2x2(table(d$group, d$value), tsmethod = "central", midp = TRUE)
DescTools::BinomDiffCI(sum(a == 1), length(a), sum(b == 1), length(b), method = "score")
""",
    "Fisher–Freeman–Halton, simulated": """\
fisher.test(table(d$group, d$value), simulate.p.value = TRUE, B = 99999)
""",
    "Wilcoxon signed rank, exact": """\
change <- w[[2]] - w[[1]]
exactRankTests::wilcox.exact(change, exact = TRUE)
wilcox.test(change, conf.int = TRUE, conf.level = {level})
""",
    "Wilcoxon signed rank": """\
change <- w[[2]] - w[[1]]
wilcox.test(change, exact = FALSE, conf.int = TRUE, conf.level = {level})
""",
    "Friedman": "friedman.test(as.matrix(w))\n",
    "group × time, Wald F": """\
d$time <- factor(d$time, levels = times)
d$group <- factor(d$group)
covariate <- if ("baseline" %in% names(d)) "baseline +" else ""
model <- as.formula(paste("value ~", covariate, "group * time + (1 | subject)"))
fit <- lme4::lmer(model, data = d, REML = TRUE)
b <- lme4::fixef(fit)
of_both <- grepl(":", names(b))
v <- as.matrix(vcov(fit))[of_both, of_both]
f <- sum(b[of_both] * solve(v, b[of_both])) / sum(of_both)
summary(fit)
pf(f, sum(of_both), length(unique(d$subject)) - nlevels(d$group), lower.tail = FALSE)
""",
    "McNemar exact": """\
both <- table(first = w[[1]], second = w[[2]])
exact2x2::mcnemar.exact(both)
PropCIs::scoreci.mp(sum(w[[1]] < w[[2]]), sum(w[[1]] > w[[2]]), nrow(w), {level})  # Tango
""",
    "McNemar mid-p": """\
both <- table(first = w[[1]], second = w[[2]])
exact2x2::exact2x2(both, paired = TRUE, midp = TRUE)
PropCIs::scoreci.mp(sum(w[[1]] < w[[2]]), sum(w[[1]] > w[[2]]), nrow(w), {level})  # Tango
""",
    "Cochran Q": "DescTools::CochranQTest(as.matrix(w))\n",
    "exact conditional Poisson": """\
poisson.test(events, exposure, conf.level = {level})
""",
    "χ² of rates": "chisq.test(events, p = exposure / sum(exposure))\n",
    "χ², categories": "chisq.test(table(d$group, d$value), correct = FALSE)\n",
    "Fisher–Freeman–Halton, simulated, categories": """\
fisher.test(table(d$group, d$value), simulate.p.value = TRUE, B = 99999)
""",
}
R_NEEDS_TWO = ("χ²", "Fisher mid-p")
R_MARGIN = {
    "TOST, Welch t on logarithms": """\
# equivalence: the larger p of two one-sided tests against the margin {low} to {high}
t.test(log(a), log(b), mu = log({low}), alternative = "greater")$p.value
t.test(log(a), log(b), mu = log({high}), alternative = "less")$p.value
""",
    "TOST, Welch t": """\
# equivalence: the larger p of two one-sided tests against the margin {low} to {high}
t.test(a, b, mu = {low}, alternative = "greater")$p.value
t.test(a, b, mu = {high}, alternative = "less")$p.value
""",
}
