"""spaCy's tagger on sentences already split, one thread: words a CPU second. Run: python tagger.py DATA_FOLDER"""
import sys
import time

import spacy
from spacy.tokens import Doc

folder = sys.argv[1]
nlp = spacy.load(f"{folder}/spacy/en_core_web_sm-3.8.0", exclude=["parser", "attribute_ruler", "lemmatizer", "ner", "senter"])
lines = [line.split() for line in open(f"{folder}/snli/snli_1.0_dev.tok", encoding="utf-8")][:4000]
docs = [Doc(nlp.vocab, words) for words in lines]
start = time.process_time()
for doc in nlp.pipe(docs, batch_size=256):
    pass
taken = time.process_time() - start
print(f"spacy {spacy.__version__}: {sum(map(len, lines)) / taken:.0f} words a CPU second")
