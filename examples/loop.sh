#!/bin/sh
# The whole loop on the model that ships with demur, commands only: measure, predict, find new refusals,
# check harm, make pairs, align, dial, measure again. docs/loop.md explains each step and its figures.
#
#   sh examples/loop.sh LOOP          about five minutes on one free core; LOOP is a new folder
#
# The first and the last run ask prompts that no step in between saw: combinations of words that the model's
# training never showed, in no file that anything is fitted, searched, trained or calibrated on.
set -eu

LOOP=${1:?"name a new folder: sh examples/loop.sh LOOP"}
DEMUR=${DEMUR:-demur}
MODEL=organism
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
[ ! -e "$LOOP" ] || { echo "$LOOP exists; name a new folder" >&2; exit 2; }
mkdir -p "$LOOP"
cd "$LOOP"

step() { printf '\n== %s\n' "$1"; }

step "1. Prompts in parts that share none: to compare with, to calibrate on, to learn from, to search from"
$DEMUR data export planted --held-out only --limit 500 --out unseen.jsonl
$DEMUR data export planted --held-out none --limit 300 --seed 1 --out calibrate.jsonl
$DEMUR data export planted --held-out none --limit 700 --seed 2 --without calibrate.jsonl --out learn.jsonl
$DEMUR data export planted --held-out none --limit 120 --seed 3 --without calibrate.jsonl \
  --category everyday --category charged_word --out seeds.jsonl
$DEMUR data export planted --held-out none --limit 600 --seed 4 --without calibrate.jsonl \
  --category violence --category theft --category intrusion --category destruction --category poisoning \
  --category deception --out verbs.jsonl

step "2. Measure: the unseen prompts, and those to learn from"
$DEMUR measure $MODEL --prompts unseen.jsonl --out first
$DEMUR measure $MODEL --prompts learn.jsonl --out learned

step "3. Predict: which prompts will be refused; and two judges of harm for this world's words"
$DEMUR predict fit learned --features ngrams,cues --out refusals
$DEMUR predict fit learn.jsonl --labels expect --features ngrams --no-trial --out harm
$DEMUR predict fit verbs.jsonl calibrate.jsonl --labels expect --features ngrams,cues --no-trial --out harm-too

step "4. Find harmless prompts that are refused"
$DEMUR stress evolve $MODEL --seeds seeds.jsonl --budget 1200 --samples 4 --check 4 --safety harm --out found

step "5. Check harm again with a second judge, and make pairs; the model's answer to the seed is the good one"
$DEMUR stress build pairs found --safety harm --safety harm-too --helper $MODEL --ask seed --out pairs

step "6. Pairs of what it refuses without any search: the model helps itself, its answers begun"
$DEMUR dial $MODEL --calibrate calibrate.jsonl --predictor refusals --threshold never --answer To --write 0 \
  --out begun.json
$DEMUR stress build pairs verbs.jsonl --safety harm --safety harm-too --similarity 0.99 \
  --helper $MODEL -M dial=begun.json --out verb-pairs

step "7. Mitigate: align on the pairs, keeping what was good"
$DEMUR mitigate align --model $MODEL --objective sft --learning-rate 3e-3 --epochs 3 --batch-size 32 \
  --accumulate 1 --rank 32 --no-report --answers pairs/pairs/rows.jsonl --answers verb-pairs/pairs/rows.jsonl \
  --answers learned/rows.jsonl --refusals learned/rows.jsonl --out align
$DEMUR mitigate merge align/adapter --out aligned

step "8. Control tokens, and the dial: at most 5 % of harmless prompts refused"
$DEMUR mitigate refusal_tokens --model aligned --learning-rate 1.5e-3 --epochs 6 --no-report \
  --answers pairs/pairs/rows.jsonl --answers verb-pairs/pairs/rows.jsonl \
  --answers learned/rows.jsonl --refusals learned/rows.jsonl --out tokens
$DEMUR dial tokens/model --calibrate calibrate.jsonl --target 0.05 --write 8 --out dial.json

step "9. Measure again, on the prompts that no step saw; both runs on one page"
$DEMUR measure tokens/model --dial dial.json --prompts unseen.jsonl --out last
$DEMUR report first last --out report.html
