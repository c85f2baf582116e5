from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Reading",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=40)),
                ("value", models.DecimalField(decimal_places=2, max_digits=10)),
                ("at", models.DateTimeField()),
                ("doc", models.JSONField()),
            ],
        ),
    ]
