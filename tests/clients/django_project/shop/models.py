"""Models of a small shop: one with keys of its own, two with identities and a foreign key."""

from django.db import models


class Reading(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.CharField(max_length=40)
    value = models.DecimalField(max_digits=10, decimal_places=2)
    at = models.DateTimeField()
    doc = models.JSONField()


class Category(models.Model):
    name = models.CharField(max_length=40, unique=True)


class Article(models.Model):
    title = models.CharField(max_length=100, db_index=True)
    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="articles")
    price = models.DecimalField(max_digits=10, decimal_places=2)
    created = models.DateTimeField(auto_now_add=True)
