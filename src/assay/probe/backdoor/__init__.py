"""Backdoors: is a model poisoned, is an input, what is the trigger, and what would the answer be without it; of images, tables and texts.

Arrays of images or of rows and a function that answers labels are all that it knows; models and files are the verbs' business.
"""
